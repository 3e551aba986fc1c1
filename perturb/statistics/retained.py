"""The share of a model's score that survives a perturbation, with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from perturb.statistics.intervals import Estimate
from perturb.statistics.scores import BASELINE, Score, estimate_of, scored


@dataclass(frozen=True, kw_only=True)
class Retained:
    """The share of one metric that is retained on one variant, over seeds with scores there and on the original."""

    original: float
    """Mean score on the original."""
    variant: float
    """Mean score on the variant."""
    share: float | None
    """variant / original; None where there is nothing to retain."""
    low: float | None
    high: float | None
    """95 % t-interval of the share over patterns, or of one pattern over seeds; None below two, and without a share."""
    pairs: int


def retained(scores: Sequence[Score], metric: str, variant: str) -> Retained | None:
    """The share of a metric that a variant leaves to one model; None where no pair has scores.

    Args:
        scores: of one model's runs.
        metric: key of `Score.values`.
        variant: which one.

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
    """Means of original and variant: over draws, the means of their seeds."""
    found: dict[int, list[tuple[float, float]]] = {}
    for (draw, _), both in pairs.items():
        found.setdefault(draw, []).append(both)
    return np.mean([np.mean(of_draw, axis=0) for _, of_draw in sorted(found.items())], axis=0)


def _estimate(pairs: Mapping[tuple[int, int], tuple[float, float]], share: float, original: float) -> Estimate:
    """The share with the error of a ratio of means: that of mean(variant − share · original) / mean(original).

    In simulations of 2 to 10 clusters whose originals have 1/6 to 1/2 of their mean as standard deviation, 95 % of such
    intervals hold the truth.
    """
    left = {key: variant - share * before for key, (before, variant) in pairs.items()}
    found = estimate_of([(left, {(0, seed): 0.0 for _, seed in pairs})])
    return (
        Estimate(share, None) if found is None or found.error is None else Estimate(share, found.error / original, found.df)
    )
