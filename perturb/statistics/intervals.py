# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
"""Standard errors, intervals and p-values of mean differences: over clusters, over crossed draws and seeds, over methods.

Everything uses Student's t with a standard error and its degrees of freedom; nothing is resampled. A cluster is a unit that
was drawn independently: a pattern with the seeds trained on it, or, with a single pattern, a seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
"""1 − CONFIDENCE: a difference with a p-value of at least this may be chance."""
MOST_ITERATIONS = 10_000
"""Maximum iterations of the fit for missing cells. Tables that are not nearly empty need a few dozen."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and degrees of freedom."""

    mean: float
    error: float | None = None
    """Standard error; None below two clusters."""
    df: float = 0.0

    @property
    def half_width(self) -> float | None:
        """Half the width of the 95 % interval; None if the error is unknown."""
        from scipy.special import stdtrit

        return None if self.error is None else float(stdtrit(self.df, (1 + CONFIDENCE) / 2)) * self.error

    @property
    def interval(self) -> tuple[float, float] | tuple[None, None]:
        """Lower and upper end of the 95 % interval; (None, None) if the error is unknown."""
        width = self.half_width
        return (None, None) if width is None else (self.mean - width, self.mean + width)

    @property
    def p(self) -> float | None:
        """Two-sided p-value for a mean of 0, below 0.05 exactly when the interval excludes 0; None without an error."""
        from scipy.special import stdtr

        if self.error is None:
            return None
        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stdtr(self.df, -abs(self.mean) / self.error))


def over_clusters(differences: np.ndarray) -> Estimate:
    """Estimate the mean over methods of each method's mean over clusters, with a standard error from the clusters' spread.

    Clusters are the independent units: a pattern, or a seed, affects all methods in the same way. For one method with a
    value in every cluster this is the one-sample t-interval. The table gives its coverage, nominally 95 %, in simulations
    (t: 10,000 samples; bootstraps: 2,000 with 599 resamples each; tests/statistics/test_intervals.py repeats the t column):

    | differences                     | clusters | t    | percentile | BCa  | bootstrap-t |
    |---------------------------------|----------|------|------------|------|-------------|
    | normal                          | 3        | 0.95 | 0.74       | 0.72 | 0.82        |
    |                                 | 5        | 0.95 | 0.84       | 0.84 | 0.95        |
    |                                 | 10       | 0.95 | 0.90       | 0.90 | 0.95        |
    | of the published MIGs of mini   | 3        | 0.95 | 0.71       | 0.70 | 0.78        |
    |                                 | 5        | 0.94 | 0.82       | 0.83 | 0.93        |
    |                                 | 10       | 0.94 | 0.89       | 0.90 | 0.95        |
    | exponential (skewness 2)        | 3        | 0.89 | 0.69       | 0.68 | 0.78        |
    |                                 | 5        | 0.88 | 0.78       | 0.80 | 0.93        |
    |                                 | 10       | 0.90 | 0.86       | 0.87 | 0.94        |
    | two modes, bounded: 30 % near   | 3        | 0.85 | 0.67       | 0.67 | 0.75        |
    | −0.05, the others near −0.50,   | 5        | 0.86 | 0.80       | 0.82 | 0.89        |
    | each ± 0.08                     | 10       | 0.94 | 0.90       | 0.94 | 0.97        |

    Bootstrap-t has better coverage for skewed samples of five or more, at up to twice the width, and fails at three. The
    published differences (four VAEs, three variants, ten seeds, standardised) are hardly skewed, so we use the t-interval.
    With three to five clusters from well-separated modes, its coverage is below nominal. No interval can account for modes
    that the sample has missed.

    Args:
        differences: Differences (methods, clusters). NaN where a method has none, but at least one difference in every row.

    """
    there = np.isfinite(differences)
    means = np.nanmean(differences, axis=1, keepdims=True)
    clusters = int(there.any(axis=0).sum())
    mean = float(means.mean())
    if clusters < 2:
        return Estimate(mean)
    shares = np.where(there, differences - means, 0) / there.sum(axis=1, keepdims=True)
    influence = shares.mean(axis=0)
    return Estimate(mean, float(np.sqrt(clusters / (clusters - 1) * np.sum(influence**2))), clusters - 1)


def over_methods(together: Estimate, each: Sequence[Estimate]) -> Estimate:
    """Return the wider of two estimates of a mean over methods: from the clusters' means, or from the methods' own errors.

    A cluster's mean over methods may vary less than its parts, because deviations of different methods happen to cancel.
    Methods are trained independently given the pattern, so such cancellation is luck. At best the methods are independent,
    and then the variance of their mean is the sum of their variances over the squared number of methods
    (Welch-Satterthwaite degrees of freedom). Shared effects, such as a pattern that is hard for all methods, only show in
    the clusters' means. Taking the wider interval makes the error at least as large as independence implies.

    Args:
        together: Estimate of the mean over methods, cluster by cluster.
        each: Estimate for every single method. If one has no error, `together` is returned.

    """
    variances = np.array([np.nan if one.error is None else one.error**2 for one in each])
    if together.error is None or not np.isfinite(variances).all() or variances.sum() == 0:
        return together
    df = variances.sum() ** 2 / np.sum(variances**2 / [one.df for one in each])
    apart = Estimate(together.mean, float(np.sqrt(variances.sum())) / len(each), float(df))
    return max(together, apart, key=lambda estimate: estimate.half_width or 0.0)


def over_draws_and_seeds(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Estimate mean(first) − mean(second), both (draws, seeds), with draws and seeds as two crossed random effects.

    Seed s gives the same initial weights and batches in every run, and its one original run is compared with all draws of a
    pattern, so runs are crossed, not nested. For a table of D draws × S seeds, the variance of the grand mean is
    (MS_draws + MS_seeds − MS_residual) / (D S), from the mean squares of the two-way layout, but at least that from draws or
    seeds alone. Degrees of freedom are Satterthwaite's. If both sides have draws of their own, each side adds its draws'
    mean square and subtracts its residual, and the seeds' mean square is that of the differences.

    In simulations (4,000 tables of 3, 5 or 10 draws × 3 or 10 seeds, with normal effects of draws, seeds and residual) the
    coverage is 94 to 98 % if draws or seeds matter, and up to 99.9 % if neither does. This is the price of never falling
    below one of the mean squares.

    Args:
        first: Scores; NaN where a run has none.
        second: Scores to compare with, for the same seeds. Zeros of shape (1, seeds) estimate the mean of `first` itself.

    Returns:
        The estimate, without an error if fewer than two seeds have a score on both sides.

    """
    mean = mean_of_draws(first) - mean_of_draws(second)
    both = np.isfinite(first).any(axis=0) & np.isfinite(second).any(axis=0)
    if both.sum() < 2:
        return Estimate(mean)
    sides = [_filled(side[:, both]) for side in (first, second)]
    by_seed = sides[0].mean(axis=0) - sides[1].mean(axis=0)
    added = [_Part(float(np.var(by_seed, ddof=1)) / len(by_seed), len(by_seed) - 1)]
    taken: list[_Part] = []
    for side, given in zip(sides, (first[:, both], second[:, both]), strict=True):
        if len(side) > 1:
            added.append(_Part(float(np.var(side.mean(axis=1), ddof=1)) / len(side), len(side) - 1))
            taken.append(_residual(side, missing=side.size - int(np.isfinite(given).sum())))
    return _from_parts(mean, added, taken)


def mean_of_draws(scores: np.ndarray) -> float:
    """Return the mean over draws of each draw's mean over seeds: draws have equal weight, whatever runs failed.

    The scores are (draws, seeds).
    """
    means: list[float] = [np.nanmean(draw) for draw in scores if np.isfinite(draw).any()]
    return float(np.mean(means))


def holm(values: Sequence[float]) -> list[float]:
    """Adjust p-values by Holm's step-down method (1979), which controls the family-wise error rate at any level.

    The order is kept.
    """
    order: list[int] = np.argsort(values, kind="stable").tolist()
    adjusted, largest = [1.0] * len(values), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - place) * values[index]))
        adjusted[index] = largest
    return adjusted


@dataclass(frozen=True)
class _Part:
    """A component of a variance: a scaled independent mean square with its degrees of freedom."""

    value: float
    df: int


def _from_parts(mean: float, added: Sequence[_Part], taken: Sequence[_Part]) -> Estimate:
    """Combine mean squares into an estimate.

    Degrees of freedom are Satterthwaite's, but at least the smallest among the added parts.
    """
    largest = max(part.value for part in added)
    variance = max(sum(part.value for part in added) - sum(part.value for part in taken), largest)
    uncertainty = sum(part.value**2 / part.df for part in (*added, *taken) if part.df > 0)
    df = variance**2 / uncertainty if uncertainty > 0 else 0
    return Estimate(mean, float(np.sqrt(variance)), max(df, min(part.df for part in added)))


def _residual(table: np.ndarray, *, missing: int) -> _Part:
    """Return the residual mean square of the two-way layout (draws, seeds), scaled to the variance of the grand mean."""
    left = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + table.mean()
    df = (table.shape[0] - 1) * (table.shape[1] - 1) - missing
    return _Part(float(np.sum(left**2)) / df / table.size if df > 0 else 0.0, max(df, 0))


def _filled(scores: np.ndarray) -> np.ndarray:
    """Drop draws without scores from (draws, seeds), and fill missing cells by a least-squares fit of draw + seed."""
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import lsqr

    scores = scores[np.isfinite(scores).any(axis=1)]
    there = np.isfinite(scores)
    if there.all():
        return scores
    # Sparse, because a leaderboard entry may have thousands of seeds: a dense design matrix would take a hundred gigabytes.
    draws, seeds = np.nonzero(there)
    rows = np.arange(len(draws)).repeat(2)
    columns = np.stack([draws, len(scores) + seeds], axis=1).ravel()
    design = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(draws), sum(scores.shape))).tocsr()
    fit = lsqr(design, scores[there], atol=1e-14, btol=1e-14, iter_lim=MOST_ITERATIONS)
    effects = np.asarray(fit[0], dtype=np.float64)
    return np.where(there, scores, effects[: len(scores), None] + effects[len(scores) :])
