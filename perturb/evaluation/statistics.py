"""Mean, spread and paired differences of scores over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

BASELINE = "original"
CONFIDENCE = 0.95


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
    failed: int
    over_pruned: int
    """Of the n runs, those with a pruned unit; they are counted, not dropped."""
    pairs: int | None
    """Seeds that have a score here and on the original; None for the original."""
    difference: float | None
    """Mean over pairs of variant − original; None for the original."""
    ci_low: float | None
    ci_high: float | None
    """95 % bootstrap interval of the difference, resampling pairs; None below two pairs."""

    def as_json(self) -> dict[str, object]:
        """For results.json and the CSV."""
        return asdict(self)


def summarise(scores: Sequence[Score], metrics: Sequence[str], *, resamples: int, seed: int) -> list[Row]:
    """A row for each method, variant and metric, in the order in which the scores name them.

    Args:
        scores: of all runs, failed ones included.
        metrics: keys of `Score.values`.
        resamples: behind each interval.
        seed: of the resampling.

    """
    groups: dict[tuple[str, str], dict[int, Score]] = {}
    for score in scores:
        groups.setdefault((score.method, score.variant), {})[score.seed] = score
    methods = dict.fromkeys(score.method for score in scores)
    variants = dict.fromkeys(score.variant for score in scores)
    return [
        _row(groups[method, variant], groups[method, BASELINE], metric, resamples=resamples, seed=seed)
        for metric in metrics
        for method in methods
        for variant in variants
    ]


def _row(runs: dict[int, Score], baseline: dict[int, Score], metric: str, *, resamples: int, seed: int) -> Row:
    first = next(iter(runs.values()))
    values = _values(runs, metric)
    count, difference, low, high = None, None, None, None
    if first.variant != BASELINE:
        originals = _values(baseline, metric)
        pairs = [values[k] - originals[k] for k in sorted(values.keys() & originals.keys())]
        count, difference = len(pairs), float(np.mean(pairs)) if pairs else None
        low, high = paired_interval(pairs, resamples=resamples, seed=seed)
    numbers = list(values.values())
    return Row(
        method=first.method,
        variant=first.variant,
        metric=metric,
        mean=float(np.mean(numbers)) if numbers else None,
        std=float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
        n=len(numbers),
        failed=len(runs) - len(numbers),
        over_pruned=sum(run.pruned_units > 0 for run in runs.values() if run.values is not None),
        pairs=count,
        difference=difference,
        ci_low=low,
        ci_high=high,
    )


def _values(runs: dict[int, Score], metric: str) -> dict[int, float]:
    return {number: run.values[metric] for number, run in runs.items() if run.values is not None}


def paired_interval(differences: Sequence[float], *, resamples: int, seed: int) -> tuple[float | None, float | None]:
    """95 % percentile bootstrap interval of the mean difference; (None, None) below two differences."""
    from scipy.stats import bootstrap

    if len(differences) < 2:
        return None, None
    sample = np.asarray(differences, dtype=np.float64)
    if np.ptp(sample) == 0:
        return float(sample[0]), float(sample[0])
    found = bootstrap(
        (sample,),
        np.mean,
        n_resamples=resamples,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)
