"""Results in sentences: scores on the original, and the effect of each variant and each contrast.

A change is first − second and signed, consistent with its interval.
"""

from collections.abc import Sequence

import numpy as np

from perturb.config import ExperimentConfig
from perturb.metrics import METRICS
from perturb.report.words import certainty, listed, share, signed, where
from perturb.statistics.retained import Retained, retained
from perturb.statistics.scores import BASELINE, Comparison, Row, Score, scored
from perturb.variants import CONTROLS, UNTRAINED

MAIN = "modified", "noise"
"""Variants that the claim is about."""
TOLD = {
    ("modified", "untrained"): "What training m_ψ adds beyond an untrained pattern of its kind, variance and roughness.",
    ("modified", "redrawn_scalar"): "What the trained scalar adds to the trained curve.",
    ("modified", "redrawn_curve"): "What the trained curve adds to the trained scalar.",
    ("redrawn_curve", "untrained"): "What the trained scalar adds to an untrained curve.",
    ("redrawn_scalar", "untrained"): "What the trained curve adds to an untrained scalar.",
    ("modified", "untrained_in_span"): "What training adds beyond an untrained pattern that repaints what is there.",
    ("modified", "redrawn_curve_in_span"): "What the trained curve adds beyond one that repaints what is there.",
    ("untrained_in_span", "untrained"): "What repainting adds to an untrained pattern.",
    ("redrawn_curve_in_span", "redrawn_curve"): "What repainting adds to an untrained curve under the trained scalar.",
    ("redrawn_curve_in_span", "untrained_in_span"): "What the trained scalar adds to an untrained curve that repaints.",
    ("modified", "matched_noise"): "What a pattern that depends on the factors costs beyond noise of its variance.",
}
"""The meaning of the difference first − second between two variants, for each pair that reports compare."""


def headline(scores: Sequence[Score], metric: str, *, methods: Sequence[str], changes: Sequence[Comparison]) -> str:
    """Word a score on the original, averaged over some methods, and how much variants change it.

    Args:
        scores: Scores of all runs.
        metric: Key in METRICS.
        methods: Methods to average over, such as the variational ones.
        changes: Comparisons for these methods, each of a variant with the original.

    Returns:
        One sentence.

    """
    started: dict[str, list[float]] = {}
    for score, value in scored(scores, metric):
        if score.method in methods and score.variant == BASELINE:
            started.setdefault(score.method, []).append(value)
    if not started:
        return f"{_whose(methods, metric)} cannot be computed: {_why_none(scores, metric)}."
    before = np.mean([np.mean(values) for values in started.values()])
    effect = f"; it {_told(changes)}" if changes else ""
    return f"{_whose(methods, metric)} is {before:.2f} on the original{effect}."


def further(changes: Sequence[Comparison]) -> str | None:
    """Word the effect of further variants, each against the original, in one sentence; None without any."""
    if not changes:
        return None
    return f"{_whose(changes[0].methods, changes[0].metric)} {_told(changes)}."


def contrast(found: Comparison) -> str | None:
    """Word the difference between two variants in one sentence; None if nothing can be compared."""
    if found.difference is None:
        return None
    if found.second == BASELINE:
        return further([found])
    by, whose, sure = signed(found.difference), _whose(found.methods, found.metric), certainty(found, few="seeds")
    if found.first != "modified" or found.second not in UNTRAINED:
        return f"{whose} changes by {by} from {found.second} to {found.first} ({sure})."
    beyond = f"by {by} beyond {CONTROLS[found.second].beyond} ({sure})."
    if len(found.methods) == 1:
        return f"Training m_ψ changes {whose} {beyond}"
    return f"Averaged over {listed(found.methods)}, training m_ψ changes {METRICS[found.metric].title} {beyond}"


def _why_none(scores: Sequence[Score], metric: str, *, there: str = "all runs on the original") -> str:
    """Return the reason why no run on the original has a score."""
    refused = any(metric in score.refused for score in scores if score.variant == BASELINE)
    return f"{there} have no value of {METRICS[metric].title}" if refused else f"{there} failed"


def _whose(methods: Sequence[str], metric: str) -> str:
    title = METRICS[metric].title
    return f"{methods[0]}'s {title}" if len(methods) == 1 else f"Averaged over {listed(methods)}, {title}"


def _told(changes: Sequence[Comparison]) -> str:
    """Format as `changes by −0.40 on the modified images (…) and by +0.01 under noise of the same maximum (…)`."""
    there = [change for change in changes if change.difference is not None]
    parts = [f"by {signed(c.difference)} {where(c.first)} ({certainty(c, few='seeds')})" for c in there]
    missing = [where(change.first) for change in changes if change.difference is None]
    known = [f"changes {listed(parts)}"] if parts else []
    return " and ".join([*known, *([f"cannot be compared {listed(missing)}"] if missing else [])])


def method_sentences(rows: Sequence[Row], metric: str) -> list[str]:
    """Return a sentence per method: its score on the original and the retained share on each variant.

    Changes for which `may_be_chance` is true are marked.
    """
    sentences = []
    for original in (row for row in rows if row.variant == BASELINE and row.metric == metric):
        others = [row for row in rows if (row.method, row.metric) == (original.method, metric) and row is not original]
        if original.mean is None:
            why = "no run on the original has a value" if original.refused else "all runs on the original failed"
            sentences.append(f"{original.method}: {why}.")
            continue
        parts = [_of_row(row) for row in others]
        title = METRICS[metric].title
        reached = f"{original.method} reaches a {title} of {original.mean:.2f} on the original"
        sentences.append("; ".join([reached, *parts]) + ".")
    return sentences


def _of_row(row: Row) -> str:
    if row.mean is None or row.difference is None:
        return f"no run on {row.variant} could be compared"
    kept = f"keeps {share(row.retained)} of it" if row.retained is not None else "has nothing to keep"
    return f"on {row.variant} it {kept} ({signed(row.difference)}, {certainty(row, few='pairs')})"


def model_sentence(scores: Sequence[Score], metric: str) -> str:
    """Word in one sentence what a model reaches on the original, and how much of it each variant retains."""
    model, title = scores[0].method, METRICS[metric].title
    variants = [v for v in dict.fromkeys(score.variant for score in scores) if v != BASELINE]
    originals = [value for score, value in scored(scores, metric) if score.variant == BASELINE]
    if not originals:
        return f"{model} has no score on the original, because {_why_none(scores, metric, there='all of its runs there')}."
    parts = [_of_retained(v, metric, retained(scores, metric, v)) for v in variants]
    return f"{model} reaches a {title} of {np.mean(originals):.2f} on the original" + "".join(parts) + "."


def _of_retained(variant: str, metric: str, found: Retained | None) -> str:
    if found is None:
        return f"; {where(variant)} no run has a score"
    if not METRICS[metric].higher_is_better:
        return f"; {where(variant)} it is {found.variant:.2f}"
    if found.share is None:
        return f"; {where(variant)} there was nothing to keep"
    kept_of_it = f"; {where(variant)} it keeps {share(found.share)} of that"
    if found.low is None or found.high is None:
        return f"{kept_of_it} (too few pairs for an interval)"
    chance = ", which may be chance" if found.low <= 1 <= found.high else ""
    return f"{kept_of_it} (95 % interval {share(found.low)} to {share(found.high)}, {found.pairs} pairs{chance})"


def comparisons_of(config: ExperimentConfig) -> dict[tuple[str, str], str]:
    """Return the pairs of an experiment's variants, first − second, with the meaning of each difference."""
    meanings, main = dict(TOLD), config.perturbation.form
    for name, form in config.alternatives.items():
        meanings[name, "modified"] = f"Another m_ψ ({form.form} form) compared with the main one ({main} form)."
        meanings[name, "untrained"] = "What training that m_ψ adds beyond the untrained pattern."
    return {pair: text for pair, text in meanings.items() if set(pair) <= set(config.evaluation.variants)}
