"""The answer of a study in one sentence, with its intervals, and what else must be said, a sentence each."""

from collections.abc import Sequence

import numpy as np

from perturb.evaluation.statistics import BASELINE, Comparison, Score, pooled
from perturb.evaluation.tables import interval
from perturb.metrics import METRICS

ON = {
    "modified": "on the modified images",
    "noise": "under noise of the same size",
    "matched_noise": "under noise of the same variance",
    "untrained": "under an untrained pattern",
    "redrawn_curve": "under the trained scalar with an untrained curve",
    "redrawn_scalar": "under the trained curve over an untrained scalar",
}
MAIN = "modified", "noise"
"""Variants that the claim is about."""


def headline(scores: Sequence[Score], metric: str, *, methods: Sequence[str], resamples: int, seed: int) -> str:
    """How much of a score the modified images and noise cost, mean over some methods.

    Args:
        scores: of all runs.
        metric: key in METRICS.
        methods: whose mean is told, as the variational ones.
        resamples: behind each interval.
        seed: of the resampling.

    Returns:
        One sentence; a change whose interval holds zero is called one that may be chance.

    """
    started: dict[str, list[float]] = {}
    for score in scores:
        if score.method in methods and score.variant == BASELINE and score.values is not None:
            started.setdefault(score.method, []).append(score.values[metric])
    whose = _whose(methods, metric)
    if not started:
        return f"{whose} cannot be told: all runs on the original failed."
    before = np.mean([np.mean(values) for values in started.values()])
    variants = [v for v in _variants(scores) if v in MAIN]
    parts = _parts(scores, metric, variants, methods=methods, resamples=resamples, seed=seed)
    return f"{whose} is {before:.2f} on the original{f'; it {_listed(parts)}' if parts else ''}."


def other_patterns(scores: Sequence[Score], metric: str, *, methods: Sequence[str], resamples: int, seed: int) -> str | None:
    """One sentence on what the further variants cost, arguments as `headline`; None where there are none."""
    variants = [v for v in _variants(scores) if v not in MAIN]
    parts = _parts(scores, metric, variants, methods=methods, resamples=resamples, seed=seed)
    return f"{_whose(methods, metric)} {_listed(parts)}." if parts else None


def _whose(methods: Sequence[str], metric: str) -> str:
    title = METRICS[metric].title
    return f"{methods[0]}'s {title}" if len(methods) == 1 else f"Averaged over {_listed(methods)}, {title}"


def _variants(scores: Sequence[Score]) -> list[str]:
    return [v for v in dict.fromkeys(score.variant for score in scores) if v != BASELINE]


def _parts(
    scores: Sequence[Score], metric: str, variants: Sequence[str], *, methods: Sequence[str], resamples: int, seed: int
) -> list[str]:
    """What each variant costs, in words."""
    found = [pooled(scores, metric, methods=methods, variant=v, resamples=resamples, seed=seed) for v in variants]
    return [_part(comparison) for comparison in found]


def what_training_adds(
    scores: Sequence[Score], metric: str, *, methods: Sequence[str], resamples: int, seed: int
) -> str | None:
    """One sentence on modified − untrained, arguments as `headline`; None where nothing can be compared."""
    found = pooled(
        scores, metric, methods=methods, variant="modified", second="untrained", resamples=resamples, seed=seed
    )  # fmt: skip
    if found.difference is None:
        return None
    more = "more" if found.difference < 0 else "less"
    told = f"{abs(found.difference):.2f} {more} than an untrained pattern of the same variance"
    if found.ci_low is None:
        return f"The trained pattern takes {told} (too few seeds for an interval)."
    chance = ", which may be chance" if found.ci_low <= 0 <= found.ci_high else ""
    return f"The trained pattern takes {told} (95 % interval of the difference {interval(found)}{chance})."


def _part(found: Comparison) -> str:
    where = ON.get(found.first, f"under the pattern of {found.first}")
    if found.difference is None:
        return f"cannot be compared {where}"
    change = f"{'falls' if found.difference < 0 else 'rises'} by {abs(found.difference):.2f} {where}"
    if found.ci_low is None:
        return f"{change} (too few seeds for an interval)"
    chance = ", which may be chance" if found.ci_low <= 0 <= found.ci_high else ""
    return f"{change} (95 % interval {interval(found)}{chance})"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
