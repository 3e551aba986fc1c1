"""Means, standard deviations and paired differences of scores over seeds and over draws of a pattern."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from perturb.statistics.intervals import Estimate, over_clusters, over_draws_and_seeds, over_methods

BASELINE = "original"


@dataclass(frozen=True, kw_only=True)
class Score:
    """The scores of one training."""

    method: str
    variant: str
    seed: int
    """Index of the seed; runs with equal indices are pairs."""
    values: Mapping[str, float] | None
    """Scores by metric, without refused metrics; None if the run failed."""
    failure: str | None
    over_pruned: bool = False
    """True if fewer units are active than there are factors (`perturb.perturbation.selection.over_pruned`)."""
    refused: Mapping[str, str] = field(default_factory=dict[str, str])
    """The reason for each metric that has no value for the run, by the metric's name."""
    draw: int = 0
    """Index of the pattern's draw, for variants with several; always 0 for the original."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell of the tables, with its comparison to the original."""

    method: str
    variant: str
    metric: str
    mean: float | None
    """Mean over the runs that have a score; None if none has."""
    std: float | None
    """Sample standard deviation (n − 1); None for fewer than two runs."""
    n: int
    """Number of runs with a score, over all draws."""
    failed: int
    over_pruned: int
    """Number of over-pruned runs among the n; they are counted, not dropped."""
    pairs: int | None = None
    """Number of runs with a score whose seed also has a score on the original; None for the original."""
    difference: float | None = None
    """Mean of variant − original over pairs; with several draws, the mean of the draws' means. None for the original."""
    ci_low: float | None = None
    ci_high: float | None = None
    """95 % t-interval of the difference over clusters; None for fewer than two. Clusters are draws with their seeds, or
    seeds if there is one draw. If seeds are crossed with draws, both vary (`over_draws_and_seeds`)."""
    p: float | None = None
    """Two-sided p-value for no difference, consistent with the interval."""
    p_holm: float | None = None
    """p-value adjusted by Holm's method over a family of comparisons; None for a comparison outside the family."""
    retained: float | None = None
    """mean / the original's mean; None for the original, and if the original's mean is not positive."""
    refused: int = 0
    """Number of runs that did not fail but have no value of this metric."""
    draws: int = 1
    """Number of draws of the pattern with a run."""
    by_draw: tuple[tuple[int, float], ...] = ()
    """Index and mean difference of each draw that has pairs."""

    def as_json(self) -> dict[str, object]:
        """Return the row as it is stored in results.json and the CSV."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison of two variants for one method, or for the mean over several methods."""

    method: str
    """The name of the only method, or `mean of N methods`."""
    methods: tuple[str, ...]
    """The names of all methods in the mean."""
    metric: str
    first: str
    second: str
    difference: float | None
    """Mean of first − second over seeds with a score on both, with equal weight per draw; None without such a seed."""
    ci_low: float | None
    ci_high: float | None
    """Ends of the 95 % t-interval of the difference, as in `Row`."""
    p: float | None = None
    p_holm: float | None = None
    """The two p-values, as in `Row`."""
    seeds: int
    draws: tuple[int, int]
    """Number of patterns of the first and of the second variant."""

    def as_json(self) -> dict[str, object]:
        """Return the comparison as it is stored in results.json."""
        return asdict(self)


Runs = dict[tuple[int, int], Score]
Values = Mapping[tuple[int, int], float]
"""Runs and Values map (draw, seed) to a score."""


def summarise(scores: Sequence[Score], metrics: Sequence[str]) -> list[Row]:
    """Return a row for each metric, method and variant, in the order in which they appear in the scores.

    Args:
        scores: Scores of all runs, including failed ones.
        metrics: Keys of `Score.values`.

    """
    groups = _groups(scores)
    methods = dict.fromkeys(score.method for score in scores)
    variants = dict.fromkeys(score.variant for score in scores)
    return [
        _row(groups[method, variant], groups[method, BASELINE], metric)
        for metric in metrics
        for method in methods
        for variant in variants
    ]


def scored(scores: Iterable[Score], metric: str) -> list[tuple[Score, float]]:
    """Return the runs that have a score by one metric, each with that score."""
    return [(score, score.values[metric]) for score in scores if score.values is not None and metric in score.values]


def compare(scores: Sequence[Score], metric: str, *, first: str, second: str) -> list[Comparison]:
    """Compare first − second for every method with runs on both variants, paired by seed.

    For example, modified − untrained is the effect of training a pattern, beyond that of an untrained pattern of the same
    kind and variance.
    """
    methods = dict.fromkeys(score.method for score in scores)
    there = {(score.method, score.variant) for score in scores}
    chosen = [method for method in methods if {(method, first), (method, second)} <= there]
    return [pooled(scores, metric, methods=[method], first=first, second=second) for method in chosen]


def pooled(
    scores: Sequence[Score], metric: str, *, methods: Sequence[str], first: str, second: str = BASELINE
) -> Comparison:
    """Compare first − second averaged over methods, paired by seed within each method.

    Methods have equal weight, whatever runs are missing. The interval is over the patterns or seeds that the methods share,
    and is at least as wide as it would be for independent methods (`over_methods`).
    """
    groups = _groups(scores)
    runs = [(groups.get((method, first), {}), groups.get((method, second), {})) for method in methods]
    sides = [(_values(one, metric), _values(other, metric)) for one, other in runs]
    estimate = estimate_of(sides)
    low, high = estimate.interval if estimate else (None, None)
    shared = [{seed for _, seed in one} & {seed for _, seed in other} for one, other in sides]
    draws = [{draw for both in runs for draw, _ in both[side]} for side in (0, 1)]
    return Comparison(
        method=methods[0] if len(methods) == 1 else f"mean of {len(methods)} methods",
        methods=tuple(methods),
        metric=metric,
        first=first,
        second=second,
        difference=estimate and estimate.mean,
        ci_low=low,
        ci_high=high,
        p=estimate and estimate.p,
        seeds=len(set[int]().union(*shared)),
        draws=(len(draws[0]), len(draws[1])),
    )


def _groups(scores: Sequence[Score]) -> dict[tuple[str, str], Runs]:
    """Group runs by method and variant."""
    groups: dict[tuple[str, str], Runs] = {}
    for score in scores:
        groups.setdefault((score.method, score.variant), {})[score.draw, score.seed] = score
    return groups


def _row(runs: Runs, baseline: Runs, metric: str) -> Row:
    first, values, against = next(iter(runs.values())), _values(runs, metric), _values(baseline, metric)
    numbers = list(values.values())
    mean = float(np.mean(numbers)) if numbers else None
    row = Row(
        method=first.method,
        variant=first.variant,
        metric=metric,
        mean=mean,
        std=float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
        n=len(numbers),
        failed=sum(run.values is None for run in runs.values()),
        refused=sum(metric in run.refused for run in runs.values()),
        over_pruned=sum(run.over_pruned for run in runs.values() if run.values is not None),
        draws=len({draw for draw, _ in runs}),
    )
    return row if first.variant == BASELINE else _compared(row, values, against)


def _compared(row: Row, values: Values, against: Values) -> Row:
    """Return the row with its comparison to the original."""
    pairs, estimate = _pairs(values, against), estimate_of([(values, against)])
    low, high = estimate.interval if estimate else (None, None)
    before = float(np.mean(list(against.values()))) if against else 0.0
    return replace(
        row,
        pairs=len(pairs),
        difference=estimate and estimate.mean,
        ci_low=low,
        ci_high=high,
        p=estimate and estimate.p,
        retained=row.mean / before if row.mean is not None and before > 0 else None,
        by_draw=_by_draw(pairs),
    )


def estimate_of(sides: Sequence[tuple[Values, Values]]) -> Estimate | None:
    """Estimate first − second averaged over methods, from each method's values on both sides; None if there are no pairs."""
    sides = [both for both in sides if _pairs(*both)]
    if not sides:
        return None
    if any(_crossed(side) for both in sides for side in both):
        sides = [_crossing(*both) for both in sides]
        each = [over_draws_and_seeds(*_tables(both)) for both in sides]
        together = over_draws_and_seeds(*_tables([_averaged(side) for side in zip(*sides, strict=True)]))
    else:
        clusters = _clusters([_pairs(*both) for both in sides])
        each = [over_clusters(row[None, np.isfinite(row)]) for row in clusters]
        together = over_clusters(clusters)
    return together if len(sides) == 1 else over_methods(together, each)


def _crossing(first: Values, second: Values) -> tuple[Values, Values]:
    """Return the two sides; if one has a single draw, return the paired differences and zeros in its place."""
    one, other = (len({draw for draw, _ in values}) for values in (first, second))
    if other == 1:
        return _pairs(first, second), {(0, seed): 0.0 for _, seed in second}
    if one == 1:
        return {(0, seed): 0.0 for _, seed in first}, _pairs(second, first)
    return first, second


def _averaged(sides: Sequence[Values]) -> Values:
    """Average over methods, by draw and seed."""
    keys = sorted({key for values in sides for key in values})
    return {key: float(np.mean([values[key] for values in sides if key in values])) for key in keys}


def _tables(both: Sequence[Values]) -> list[np.ndarray]:
    """Return a table draws × seeds for each side, with the seeds that both share; NaN for missing values."""
    seeds = sorted({seed for _, seed in both[0]} & {seed for _, seed in both[1]})
    columns, tables = {seed: column for column, seed in enumerate(seeds)}, list[np.ndarray]()
    for values in both:
        draws = sorted({draw for draw, seed in values if seed in columns})
        rows, table = {draw: row for row, draw in enumerate(draws)}, np.full((len(draws), len(seeds)), np.nan)
        for (draw, seed), value in values.items():
            if seed in columns:
                table[rows[draw], columns[seed]] = value
        tables.append(table)
    return tables


def _pairs(first: Values, second: Values) -> Values:
    """Return first − second by draw and seed, where both have a score; several draws per seed of the second are averaged.

    Pairs that share a pattern form one cluster, so draws are those of the side with fewer patterns, unless it has only one.
    If neither number of patterns divides the other, several clusters may still share a pattern of the finer side.
    """
    against: dict[int, list[float]] = {}
    for (_, seed), value in second.items():
        against.setdefault(seed, []).append(value)
    patterns = [len({draw for draw, _ in side}) for side in (first, second)]
    fewer = patterns[1] > 1 and (patterns[0] == 1 or patterns[1] < patterns[0])
    shared = {seed: draw for draw, seed in second} if fewer and not _crossed(second) else {}
    return {
        (shared.get(seed, draw), seed): value - float(np.mean(against[seed]))
        for (draw, seed), value in sorted(first.items())
        if seed in against
    }


def _crossed(values: Values) -> bool:
    """Return whether some seed has several draws."""
    return len({seed for _, seed in values}) < len(values)


def _by_draw(values: Values) -> tuple[tuple[int, float], ...]:
    """Return the index and mean of each draw."""
    of_draw: dict[int, list[float]] = {}
    for (draw, _), value in values.items():
        of_draw.setdefault(draw, []).append(value)
    return tuple((draw, float(np.mean(of_draw[draw]))) for draw in sorted(of_draw))


def _clusters(pairs: Sequence[Values]) -> np.ndarray:
    """Return each method's mean difference in each cluster, (methods, clusters); NaN where it has none.

    Clusters are the draws, each with its seeds, or the seeds if there is only one draw.
    """
    several = len({draw for of_method in pairs for draw, _ in of_method}) > 1
    means = [
        dict(_by_draw({(draw if several else seed, seed): difference for (draw, seed), difference in of_method.items()}))
        for of_method in pairs
    ]
    clusters = sorted({cluster for of_method in means for cluster in of_method})
    return np.array([[of_method.get(cluster, np.nan) for cluster in clusters] for of_method in means])


def _values(runs: Runs, metric: str) -> Values:
    return {key: run.values[metric] for key, run in runs.items() if run.values is not None and metric in run.values}
