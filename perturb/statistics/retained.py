"""The retained share: how much of a model's score survives a perturbation, with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from perturb.statistics.intervals import Estimate
from perturb.statistics.scores import BASELINE, Score, estimate_of, scored


@dataclass(frozen=True, kw_only=True)
class Retained:
    """The retained share of one metric on one variant, over seeds with scores on both the variant and the original."""

    original: float
    """Mean score on the original."""
    variant: float
    """Mean score on the variant."""
    share: float | None
    """The ratio variant / original; None if the original's mean is not positive."""
    low: float | None
    high: float | None
    """95 % t-interval of the share, over patterns, or over seeds if there is one pattern. None with fewer than two of them,
    and without a share."""
    pairs: int


def retained(scores: Sequence[Score], metric: str, variant: str) -> Retained | None:
    """Compute the share of a metric that one model retains on a variant; None if no pair has scores.

    Args:
        scores: Scores of one model's runs.
        metric: Key of `Score.values`.
        variant: Name of the variant.

    """
    found = scored(scores, metric)
    against = {score.seed: value for score, value in found if score.variant == BASELINE}
    there = [(score, value) for score, value in found if score.variant == variant and score.seed in against]
    pairs = {(score.draw, score.seed): (against[score.seed], value) for score, value in there}
    if not pairs:
        return None
    original, mean = map(float, _means(pairs))
    if original <= 0:
        return Retained(original=original, variant=mean, share=None, low=None, high=None, pairs=len(pairs))
    low, high = _estimate(pairs, mean / original, original).interval
    return Retained(original=original, variant=mean, share=mean / original, low=low, high=high, pairs=len(pairs))


def _means(pairs: Mapping[tuple[int, int], tuple[float, float]]) -> np.ndarray:
    """Return the means of original and variant: the mean over draws of each draw's mean over seeds."""
    found: dict[int, list[tuple[float, float]]] = {}
    for (draw, _), both in pairs.items():
        found.setdefault(draw, []).append(both)
    return np.mean([np.mean(of_draw, axis=0) for _, of_draw in sorted(found.items())], axis=0)


def _estimate(pairs: Mapping[tuple[int, int], tuple[float, float]], share: float, original: float) -> Estimate:
    """Return the share with the error of a ratio of means: that of mean(variant − share · original) / mean(original).

    In simulations with 2 to 10 clusters, where the originals' standard deviation is 1/6 to 1/2 of their mean, 95 % of such
    intervals contain the true value.
    """
    left = {key: variant - share * before for key, (before, variant) in pairs.items()}
    found = estimate_of([(left, {(0, seed): 0.0 for _, seed in pairs})])
    return (
        Estimate(share, None) if found is None or found.error is None else Estimate(share, found.error / original, found.df)
    )
