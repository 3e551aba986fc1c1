"""Mean, spread and paired differences of scores over seeds, and over draws of a pattern."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from perturb.evaluation.bootstrap import crossed_interval, mean_of_draws, mean_of_means_interval, paired_interval

BASELINE = "original"


@dataclass(frozen=True, kw_only=True)
class Score:
    """One run's."""

    method: str
    variant: str
    seed: int
    """Number of the seed: runs with equal numbers are pairs."""
    values: Mapping[str, float] | None
    """By metric; None when the run failed."""
    failure: str | None
    pruned_units: int
    """Latent units with a mean posterior variance of at least the selection's limit."""
    draw: int = 0
    """Number of the pattern's draw, of a variant that has several; the original is always 0."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell of the tables, with its comparison to the original."""

    method: str
    variant: str
    metric: str
    mean: float | None
    """Over the runs that did not fail; None when all did."""
    std: float | None
    """Standard deviation of the sample (n − 1); None below two runs."""
    n: int
    """Runs with a score, of all draws."""
    failed: int
    over_pruned: int
    """Of the n runs, those with a pruned unit; they are counted, not dropped."""
    pairs: int | None
    """Runs that have a score here while their seed has one on the original; None for the original."""
    difference: float | None
    """Mean over pairs of variant − original, of several draws the mean of their means; None for the original."""
    ci_low: float | None
    ci_high: float | None
    """95 % bootstrap interval of the difference, None below two seeds. Resampled are seeds; where each seed meets one draw,
    draws with their seeds; where every seed meets every draw, both (`crossed_interval`: what few draws can tell)."""
    draws: int = 1
    """Draws of the pattern that have a run."""
    by_draw: tuple[tuple[int, float], ...] = ()
    """Number of each draw that has pairs, and its mean difference."""

    def as_json(self) -> dict[str, object]:
        """For results.json and the CSV."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One method on two variants."""

    method: str
    metric: str
    first: str
    second: str
    difference: float | None
    """Mean of first − second over the seeds with a score on both, draws weighing alike; None without such a seed."""
    ci_low: float | None
    ci_high: float | None
    """95 % bootstrap interval, as in `Row`."""
    seeds: int
    draws: tuple[int, int]
    """Of first and of second."""

    def as_json(self) -> dict[str, object]:
        """For results.json."""
        return asdict(self)


Runs = dict[tuple[int, int], Score]
"""By draw and seed."""


def summarise(scores: Sequence[Score], metrics: Sequence[str], *, resamples: int, seed: int) -> list[Row]:
    """A row for each method, variant and metric, in the order in which the scores name them.

    Args:
        scores: of all runs, failed ones included.
        metrics: keys of `Score.values`.
        resamples: behind each interval.
        seed: of the resampling.

    """
    groups = _groups(scores)
    methods = dict.fromkeys(score.method for score in scores)
    variants = dict.fromkeys(score.variant for score in scores)
    return [
        _row(groups[method, variant], groups[method, BASELINE], metric, resamples=resamples, seed=seed)
        for metric in metrics
        for method in methods
        for variant in variants
    ]


def compare(scores: Sequence[Score], metric: str, *, first: str, second: str, resamples: int, seed: int) -> list[Comparison]:
    """First − second for every method that has runs on both, paired by seed.

    Modified − untrained is what the training of a pattern adds to a pattern of the same kind and variance.
    """
    groups = _groups(scores)
    methods = dict.fromkeys(score.method for score in scores)
    chosen = [method for method in methods if {(method, first), (method, second)} <= groups.keys()]
    return [
        _comparison(groups[method, first], groups[method, second], metric, resamples=resamples, seed=seed)
        for method in chosen
    ]


def pooled(
    scores: Sequence[Score], metric: str, *, methods: Sequence[str], variant: str, second: str = BASELINE, resamples: int,
    seed: int,
) -> Comparison:  # fmt: skip
    """Variant − second, mean over several methods: paired within each, then averaged for every draw and seed.

    Draws and seeds are resampled for all methods at once, since all of them meet the same patterns. Methods weigh alike,
    also where some lack a draw or a seed.
    """
    groups = _groups(scores)
    sides = [[_values(groups.get((method, one), {}), metric) for one in (variant, second)] for method in methods]
    pairs = [found for first, other in sides if (found := _pairs(first, other))]
    keys = sorted({key for found in pairs for key in found})
    if all(len(found) == len(keys) for found in pairs) or any(map(_crossed, pairs)):
        means = {key: float(np.mean([found[key] for found in pairs if key in found])) for key in keys}
        difference, low, high = _mean_and_interval(means, resamples=resamples, seed=seed)
    else:
        matrix = _clusters_of_each(pairs)
        difference = float(np.nanmean(matrix, axis=1).mean())
        low, high = mean_of_means_interval(matrix, resamples=resamples, seed=seed)
    return Comparison(
        method=methods[0] if len(methods) == 1 else f"mean of {len(methods)} methods",
        metric=metric,
        first=variant,
        second=second,
        difference=difference,
        ci_low=low,
        ci_high=high,
        seeds=len({seed for _, seed in keys}),
        draws=(len({draw for draw, _ in keys}), len({s.draw for s in scores if s.variant == second})),
    )


def _groups(scores: Sequence[Score]) -> dict[tuple[str, str], Runs]:
    """Runs by method and variant."""
    groups: dict[tuple[str, str], Runs] = {}
    for score in scores:
        groups.setdefault((score.method, score.variant), {})[score.draw, score.seed] = score
    return groups


def _row(runs: Runs, baseline: Runs, metric: str, *, resamples: int, seed: int) -> Row:
    first, values = next(iter(runs.values())), _values(runs, metric)
    numbers = list(values.values())
    compared = {"pairs": None, "difference": None, "ci_low": None, "ci_high": None}
    if first.variant != BASELINE:
        pairs = _pairs(values, _values(baseline, metric))
        difference, low, high = _mean_and_interval(pairs, resamples=resamples, seed=seed)
        compared = {
            "pairs": len(pairs),
            "difference": difference,
            "ci_low": low,
            "ci_high": high,
            "by_draw": _by_draw(pairs),
        }
    return Row(
        method=first.method,
        variant=first.variant,
        metric=metric,
        mean=float(np.mean(numbers)) if numbers else None,
        std=float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
        n=len(numbers),
        failed=len(runs) - len(numbers),
        over_pruned=sum(run.pruned_units > 0 for run in runs.values() if run.values is not None),
        draws=len({draw for draw, _ in runs}),
        **compared,
    )


def _mean_and_interval(
    differences: Mapping[tuple[int, int], float], *, resamples: int, seed: int
) -> tuple[float | None, float | None, float | None]:
    """Mean over draws of differences by draw and seed, and its interval; three times None without any."""
    if not differences:
        return None, None, None
    mean = float(np.mean([found for _, found in _by_draw(differences)]))
    if not _crossed(differences):
        return mean, *paired_interval(_clusters(differences), resamples=resamples, seed=seed)
    matrix = _matrix(differences, sorted({seed for _, seed in differences}))
    return mean, *crossed_interval(matrix, np.zeros((1, matrix.shape[1])), resamples=resamples, seed=seed)


def _pairs(first: Mapping[tuple[int, int], float], second: Mapping[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """First − second by draw and seed, where both have a score; of a second side with several draws a seed, their mean.

    Draws are those of the first side, unless the second has fewer patterns: pairs that share one are resampled as one.
    """
    against: dict[int, list[float]] = {}
    for (_, seed), value in second.items():
        against.setdefault(seed, []).append(value)
    patterns = [len({draw for draw, _ in side}) for side in (first, second)]
    shared = {seed: draw for draw, seed in second} if 1 < patterns[1] < patterns[0] and not _crossed(second) else {}
    return {
        (shared.get(seed, draw), seed): value - float(np.mean(against[seed]))
        for (draw, seed), value in sorted(first.items())
        if seed in against
    }


def _comparison(first: Runs, second: Runs, metric: str, *, resamples: int, seed: int) -> Comparison:
    sides = _values(first, metric), _values(second, metric)
    seeds = sorted({seed for _, seed in sides[0]} & {seed for _, seed in sides[1]})
    if any(_crossed(side) for side in sides) and seeds:
        matrices = [_matrix(side, seeds) for side in sides]
        difference = mean_of_draws(matrices[0]) - mean_of_draws(matrices[1])
        low, high = crossed_interval(*matrices, resamples=resamples, seed=seed)
    else:
        difference, low, high = _mean_and_interval(_pairs(*sides), resamples=resamples, seed=seed)
    one, other = next(iter(first.values())), next(iter(second.values()))
    return Comparison(
        method=one.method,
        metric=metric,
        first=one.variant,
        second=other.variant,
        difference=difference,
        ci_low=low,
        ci_high=high,
        seeds=len(seeds),
        draws=(len({draw for draw, _ in first}), len({draw for draw, _ in second})),
    )


def _crossed(values: Mapping[tuple[int, int], float]) -> bool:
    """Whether a seed meets several draws."""
    return len({seed for _, seed in values}) < len(values)


def _by_draw(values: Mapping[tuple[int, int], float]) -> tuple[tuple[int, float], ...]:
    """Number and mean of each draw."""
    draws = sorted({draw for draw, _ in values})
    return tuple((k, float(np.mean([value for (draw, _), value in values.items() if draw == k]))) for k in draws)


def _clusters(values: Mapping[tuple[int, int], float]) -> list[float]:
    """What is resampled where each seed meets one draw: the draws, each with its seeds; of one draw, the seeds."""
    means = [mean for _, mean in _by_draw(values)]
    return means if len(means) > 1 else [values[key] for key in sorted(values)]


def _clusters_of_each(pairs: Sequence[Mapping[tuple[int, int], float]]) -> np.ndarray:
    """The same of several methods: (methods, clusters), NaN where a method has none."""
    several = len({draw for found in pairs for draw, _ in found}) > 1
    means = [
        dict(_by_draw({(draw if several else seed, seed): difference for (draw, seed), difference in found.items()}))
        for found in pairs
    ]
    clusters = sorted({cluster for found in means for cluster in found})
    return np.array([[found.get(cluster, np.nan) for cluster in clusters] for found in means])


def _matrix(values: Mapping[tuple[int, int], float], seeds: Sequence[int]) -> np.ndarray:
    """Draws × seeds, NaN where there is no value."""
    draws = sorted({draw for draw, _ in values})
    return np.array([[values.get((draw, seed), np.nan) for seed in seeds] for draw in draws])


def _values(runs: Runs, metric: str) -> dict[tuple[int, int], float]:
    return {key: run.values[metric] for key, run in runs.items() if run.values is not None}
