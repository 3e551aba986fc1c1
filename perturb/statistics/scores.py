"""Mean, spread and paired differences of scores over seeds, and over draws of a pattern."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from perturb.statistics.intervals import Estimate, over_clusters, over_draws_and_seeds, over_methods

BASELINE = "original"


@dataclass(frozen=True, kw_only=True)
class Score:
    """The score of one training by one metric."""

    method: str
    variant: str
    seed: int
    """Number of the seed: runs with equal numbers are pairs."""
    values: Mapping[str, float] | None
    """Scores by metric, without those that are refused; None when the run failed."""
    failure: str | None
    over_pruned: bool = False
    """True if fewer units are active than there are factors (`perturb.perturbation.selection.over_pruned`)."""
    refused: Mapping[str, str] = field(default_factory=dict[str, str])
    """The reason for each metric that has no value for the run, by the metric's name."""
    draw: int = 0
    """Number of the pattern's draw, of a variant that has several; the original is always 0."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell of the tables, with its comparison to the original."""

    method: str
    variant: str
    metric: str
    mean: float | None
    """Mean over the runs that have a score; None when none has."""
    std: float | None
    """Standard deviation of the sample (n − 1); None below two runs."""
    n: int
    """Runs with a score, of all draws."""
    failed: int
    over_pruned: int
    """Number of over-pruned runs among the n; they are counted, not dropped."""
    pairs: int | None = None
    """Runs that have a score here while their seed has one on the original; None for the original."""
    difference: float | None = None
    """Mean over pairs of variant − original, of several draws the mean of their means; None for the original."""
    ci_low: float | None = None
    ci_high: float | None = None
    """95 % t-interval of the difference, None below two clusters: draws with their seeds, or of one draw the seeds. Where
    seeds meet several draws, both vary (`over_draws_and_seeds`)."""
    p: float | None = None
    """Two-sided p-value of no difference, as the interval."""
    p_holm: float | None = None
    """Holm-adjusted over a family of comparisons; None where a comparison stands by itself."""
    retained: float | None = None
    """mean / the original's mean; None for the original and where that has nothing to retain."""
    refused: int = 0
    """Number of runs that did not fail and have no value of this metric."""
    draws: int = 1
    """Draws of the pattern that have a run."""
    by_draw: tuple[tuple[int, float], ...] = ()
    """Number of each draw that has pairs, and its mean difference."""

    def as_json(self) -> dict[str, object]:
        """The row as results.json and the CSV keep it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One method, or the mean of several, on two variants."""

    method: str
    """The name of the only method, or how many methods the mean is over."""
    methods: tuple[str, ...]
    """The names of all methods that the mean is over."""
    metric: str
    first: str
    second: str
    difference: float | None
    """Mean of first − second over the seeds with a score on both, draws weighing alike; None without such a seed."""
    ci_low: float | None
    ci_high: float | None
    """Ends of the 95 % t-interval of the difference, as in `Row`."""
    p: float | None = None
    p_holm: float | None = None
    """The two p-values mean what they mean in `Row`."""
    seeds: int
    draws: tuple[int, int]
    """Numbers of patterns of the first and of the second variant."""

    def as_json(self) -> dict[str, object]:
        """The comparison as results.json keeps it."""
        return asdict(self)


Runs = dict[tuple[int, int], Score]
Values = Mapping[tuple[int, int], float]
"""Scores and values by draw and seed."""


def summarise(scores: Sequence[Score], metrics: Sequence[str]) -> list[Row]:
    """A row for each metric, method and variant, in the order in which the scores name them.

    Args:
        scores: of all runs, failed ones included.
        metrics: keys of `Score.values`.

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
    """The runs that have a score by one metric, each with it."""
    return [(score, score.values[metric]) for score in scores if score.values is not None and metric in score.values]


def compare(scores: Sequence[Score], metric: str, *, first: str, second: str) -> list[Comparison]:
    """First − second for every method that has runs on both, paired by seed.

    Modified − untrained is what the training of a pattern adds to a pattern of the same kind and variance.
    """
    methods = dict.fromkeys(score.method for score in scores)
    there = {(score.method, score.variant) for score in scores}
    chosen = [method for method in methods if {(method, first), (method, second)} <= there]
    return [pooled(scores, metric, methods=[method], first=first, second=second) for method in chosen]


def pooled(
    scores: Sequence[Score], metric: str, *, methods: Sequence[str], first: str, second: str = BASELINE
) -> Comparison:
    """First − second, mean over methods: paired by seed within each; methods weigh alike, whatever runs they lack.

    The interval is over the patterns or seeds that all methods met, and no narrower than methods that are independent of
    each other would have it (`over_methods`).
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
    """Runs by method and variant."""
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
    """The row, held against the original."""
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
    """First − second, mean over methods, of both sides' values for each method; None where no method has a pair."""
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
    """The two sides; where one has a single draw, the pairs as the other and zeros in its place."""
    one, other = (len({draw for draw, _ in values}) for values in (first, second))
    if other == 1:
        return _pairs(first, second), {(0, seed): 0.0 for _, seed in second}
    if one == 1:
        return {(0, seed): 0.0 for _, seed in first}, _pairs(second, first)
    return first, second


def _averaged(sides: Sequence[Values]) -> Values:
    """Mean over methods by draw and seed."""
    keys = sorted({key for values in sides for key in values})
    return {key: float(np.mean([values[key] for values in sides if key in values])) for key in keys}


def _tables(both: Sequence[Values]) -> list[np.ndarray]:
    """Draws × seeds of either side, with the seeds that both have; NaN where there is no value."""
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
    """First − second by draw and seed, where both have a score; of a second side with several draws a seed, their mean.

    Draws are those of the side with fewer patterns, unless it has but one: pairs that share a pattern are one cluster.
    Where neither number of patterns divides the other, the finer side's may still be shared by several clusters.
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
    """Return whether a seed meets several draws."""
    return len({seed for _, seed in values}) < len(values)


def _by_draw(values: Values) -> tuple[tuple[int, float], ...]:
    """Number and mean of each draw."""
    found: dict[int, list[float]] = {}
    for (draw, _), value in values.items():
        found.setdefault(draw, []).append(value)
    return tuple((draw, float(np.mean(found[draw]))) for draw in sorted(found))


def _clusters(pairs: Sequence[Values]) -> np.ndarray:
    """Mean difference of each method in each cluster, (methods, clusters), NaN where it has none.

    Clusters are the draws, each with its seeds; of one draw, the seeds.
    """
    several = len({draw for found in pairs for draw, _ in found}) > 1
    means = [
        dict(_by_draw({(draw if several else seed, seed): difference for (draw, seed), difference in found.items()}))
        for found in pairs
    ]
    clusters = sorted({cluster for found in means for cluster in found})
    return np.array([[found.get(cluster, np.nan) for cluster in clusters] for found in means])


def _values(runs: Runs, metric: str) -> Values:
    return {key: run.values[metric] for key, run in runs.items() if run.values is not None and metric in run.values}
