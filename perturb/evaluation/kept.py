"""How much of a model's score survives a perturbation: a share with its interval, and the sentence that says so."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perturb.evaluation.bootstrap import CONFIDENCE
from perturb.evaluation.statistics import BASELINE, Score
from perturb.metrics import METRICS

WHERE = {
    "modified": "on the modified images",
    "noise": "under noise of the same size",
    "matched_noise": "under noise of the same variance",
    "untrained": "under a pattern that was never trained",
    "redrawn_curve": "under the trained scalar with an untrained curve",
    "redrawn_scalar": "under the trained curve over an untrained scalar",
}
"""A variant in a sentence; others by their names."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Of one metric on one variant, over the seeds that have a score there and on the original."""

    original: float
    """Mean."""
    variant: float
    """Mean."""
    share: float | None
    """variant / original; None where there is nothing to keep."""
    low: float | None
    high: float | None
    """95 % percentile bootstrap interval of the share, resampling patterns, or pairs of the same one; None below two."""
    pairs: int


def kept(scores: Sequence[Score], metric: str, variant: str, *, resamples: int, seed: int) -> Kept | None:
    """The share of a metric that a variant leaves to one model; None where no pair has scores.

    Args:
        scores: of one model's runs.
        metric: key of `Score.values`.
        variant: which one.
        resamples: behind the interval.
        seed: of the resampling.

    """
    scored = [score for score in scores if score.values is not None]
    against = {score.seed: score.values[metric] for score in scored if score.variant == BASELINE}
    pairs = [(s.draw, against[s.seed], s.values[metric]) for s in scored if s.variant == variant and s.seed in against]
    if not pairs:
        return None
    clusters = _clusters(pairs)
    low, high = _interval(clusters, resamples=resamples, seed=seed)
    original, mean = map(float, clusters.mean(axis=0))
    share = mean / original if original > 0 else None
    return Kept(original=original, variant=mean, share=share, low=low, high=high, pairs=len(pairs))


def _clusters(pairs: Sequence[tuple[int, float, float]]) -> np.ndarray:
    """What is resampled, (clusters, 2): each pattern's means of original and variant; of one pattern, its pairs."""
    draws = sorted({draw for draw, *_ in pairs})
    if len(draws) == 1:
        return np.array([values for _, *values in pairs])
    return np.array([np.mean([values for draw, *values in pairs if draw == k], axis=0) for k in draws])


def _interval(clusters: np.ndarray, *, resamples: int, seed: int) -> tuple[float, float] | tuple[None, None]:
    drawn = np.random.default_rng(seed).integers(len(clusters), size=(resamples, len(clusters)))
    originals, found = np.moveaxis(clusters[drawn].mean(axis=1), -1, 0)
    if len(clusters) < 2 or originals.min() <= 0:
        return None, None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(found / originals, [tail, 1 - tail])
    return float(low), float(high)


def sentence(scores: Sequence[Score], metric: str, *, resamples: int, seed: int) -> str:
    """One sentence: what the model reaches on the original, and how much of it each variant leaves."""
    model, title = scores[0].method, METRICS[metric].title
    variants = [v for v in dict.fromkeys(score.variant for score in scores) if v != BASELINE]
    originals = [score.values[metric] for score in scores if score.variant == BASELINE and score.values is not None]
    if not originals:
        return f"{model} has no score on the original, because all of its runs there failed."
    parts = [_part(v, metric, kept(scores, metric, v, resamples=resamples, seed=seed)) for v in variants]
    return f"{model} reaches a {title} of {np.mean(originals):.2f} on the original" + "".join(parts) + "."


def _part(variant: str, metric: str, found: Kept | None) -> str:
    where = WHERE.get(variant, f"on {variant}")
    if found is None:
        return f"; {where} no run has a score"
    if not METRICS[metric].higher_is_better:
        return f"; {where} it is {found.variant:.2f}"
    if found.share is None:
        return f"; {where} there was nothing to keep"
    if found.low is None:
        return f"; {where} it keeps {found.share:.0%} of that (too few pairs for an interval)"
    clear = found.low > 1 or found.high < 1
    chance = "" if clear else ", which may be chance"
    return (
        f"; {where} it keeps {found.share:.0%} of that (95 % interval {found.low:.0%} to {found.high:.0%}, "
        f"{found.pairs} pairs{chance})"
    )
