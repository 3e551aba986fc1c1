"""Does the criterion predict what patterns take? Every pattern of an experiment, predicted and measured."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from perturb.analysis.prediction import Prediction
from perturb.evaluation.figures_prediction import PredictedPattern, draw_prediction, rank_correlation
from perturb.evaluation.printed import plain_table
from perturb.evaluation.sections import Picture, Section
from perturb.evaluation.statistics import BASELINE
from perturb.evaluation.words import listed
from perturb.pipeline.column import Column
from perturb.pipeline.stages.findings import Findings

METRIC = "mig"
FEWEST = 5
"""Patterns of a kind of which a rank correlation is told."""


def predicted(findings: Findings, out: Path) -> Iterator[Section]:
    """A figure, a table and the rank correlation; nothing without patterns, or without scores of the MIG."""
    patterns = list(_patterns(findings))
    if not patterns:
        return
    path = out / "prediction.png"
    draw_prediction(path, patterns)
    text = (
        "Predicted from the frozen encoders alone: their codes are turned onto the axes that the pattern makes cheapest, "
        "and the turned codes' MIG is taken. "
        f"Measured: the mean loss of {listed(_methods(findings))}, each retrained." + correlations(patterns)
    )
    caption = "A mark for each pattern: the MIG that it was predicted to take, and the MIG that it took."
    lines = [
        [one.name, f"{one.gain:.2f}", f"{one.predicted:.2f}", f"{one.measured:.2f}".replace("-", "−")] for one in patterns
    ]
    table = plain_table("Each pattern", ["Pattern", "Gain", "Predicted loss", "Measured loss"], lines)
    yield Section(title="Predicted before training", text=[text], figures=[Picture(path, caption)], tables=[table])


def correlations(patterns: Sequence[PredictedPattern]) -> str:
    """A sentence with the rank correlation over all patterns and that within each kind.

    Two kinds that are apart in both numbers correlate, even where the criterion tells patterns of neither kind apart.
    """
    found = _correlation(patterns)
    if found is None:
        return ""
    kinds = {one.variant: [other for other in patterns if other.variant == one.variant] for one in patterns}
    within = [(kind, len(of_kind), _correlation(of_kind)) for kind, of_kind in kinds.items() if len(of_kind) >= FEWEST]
    told = [
        f"{value:.2f} over the {count} of {kind}".replace("-", "−") for kind, count, value in within if value is not None
    ]
    overall = f" Over these {len(patterns)} patterns, Spearman's rank correlation is {found:.2f}".replace("-", "−")
    return overall + (f"; within a kind it is {listed(told)}." if told and len(kinds) > 1 else ".")


def _correlation(patterns: Sequence[PredictedPattern]) -> float | None:
    return rank_correlation([one.predicted for one in patterns], [one.measured for one in patterns])


def _methods(findings: Findings) -> list[str]:
    """Those that the claim is about, or all where there is none of them."""
    evaluation = findings.config.evaluation
    return list(evaluation.thesis_vaes) or [method.name for method in evaluation.methods]


def _patterns(findings: Findings) -> Iterator[PredictedPattern]:
    values: dict[tuple[str, str, int], list[float]] = {}
    for score in findings.scores:
        if score.values is not None and METRIC in score.values:
            values.setdefault((score.method, score.variant, score.draw), []).append(score.values[METRIC])
    for variant in findings.config.evaluation.variants:
        for draw in range(findings.config.draws(variant)):
            column = Column(variant, draw)
            stored = findings.results.get(f"prediction/{column.name}")
            losses = [
                np.mean(values[method, BASELINE, 0]) - np.mean(values[method, variant, draw])
                for method in _methods(findings)
                if (method, BASELINE, 0) in values and (method, variant, draw) in values
            ]
            if stored is None or not losses:
                continue
            found = Prediction(**stored)
            yield PredictedPattern(
                variant=variant,
                name=column.name,
                gain=found.gain,
                predicted=found.kept - found.turned,
                measured=float(np.mean(losses)),
            )
