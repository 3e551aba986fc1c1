# pyright: reportMissingTypeStubs=false
"""Compute several metrics of the same codes."""

from collections.abc import Sequence

import numpy as np

from perturb.config.metrics import MetricsConfig
from perturb.config.section import Section
from perturb.datasets.ground_truth import FactorGrid
from perturb.errors import UserError, not_among
from perturb.metrics.coded import Coded, NotEncoded
from perturb.metrics.metric import Scores
from perturb.metrics.table import METRICS
from perturb.names import one_line


def score(
    coded: Coded,
    metrics: Sequence[str],
    *,
    settings: MetricsConfig | None = None,
    seed: int = 0,
    fast: bool = False,
    threads: int = -1,
) -> dict[str, Scores]:
    """Compute scores by metric.

    A metric's scores depend only on the codes, its settings and the seed, not on which other metrics are computed.

    Args:
        coded: Codes and factors.
        metrics: Keys of METRICS.
        settings: Settings of the metrics; None for disentanglement_lib's.
        seed: Seed of every metric's own generator.
        fast: Whether to use the table's cheaper settings instead.
        threads: Number of threads for metrics that fit many classifiers; −1 for one per core.

    Raises:
        UserError: If a metric is unknown, settings are combined with `fast`, or a metric is not defined for the codes.

    """
    chosen = chosen_settings(metrics, settings, fast=fast)
    return {name: score_one(coded, name, getattr(chosen, name), seed=seed, threads=threads) for name in metrics}


def score_defined(
    coded: Coded, metrics: Sequence[str], settings: MetricsConfig, *, seed: int = 0, threads: int = -1
) -> tuple[dict[str, Scores], dict[str, str]]:
    """Compute scores by metric like `score`, but skip metrics that are not defined for the codes.

    Returns:
        The scores by metric, and for each skipped metric the reason.

    """
    scores: dict[str, Scores] = {}
    refused: dict[str, str] = {}
    for name in metrics:
        try:
            scores[name] = score_one(coded, name, getattr(settings, name), seed=seed, threads=threads)
        except UserError as error:
            refused[name] = str(error)
    return scores, refused


def score_one(coded: Coded, name: str, settings: Section, *, seed: int = 0, threads: int = -1) -> Scores:
    """Compute one metric with its own settings; seed and threads as for `score`.

    Raises:
        UserError: If the metric is not defined for these codes, or a library cannot compute it.
        OSError: If a library's file or process is unavailable. The same codes may get a score on another try.
        ImportError: If a library's module is unavailable. Likewise.

    """
    from joblib import parallel_config

    metric = METRICS[name]
    try:
        with parallel_config("threading", n_jobs=threads):
            scores = metric.compute(coded, settings, np.random.default_rng(seed))
    except (UserError, NotEncoded, OSError, ImportError):
        raise
    except Exception as error:
        raise UserError(f"{metric.title} cannot be computed from these codes ({one_line(repr(error))}).") from error
    if strange := [f"{key} = {value}" for key, value in scores.items() if not np.isfinite(value)]:
        raise UserError(f"{metric.title} is not finite for these codes ({', '.join(strange)}).")
    return scores


def chosen_settings(metrics: Sequence[str], settings: MetricsConfig | None, *, fast: bool) -> MetricsConfig:
    """Return the settings that `score` uses; errors as there."""
    check_names(metrics)
    if not fast:
        return settings or MetricsConfig()
    if settings is not None:
        raise UserError("fast brings its own settings; give one or the other.")
    return MetricsConfig.model_validate({name: METRICS[name].fast for name in metrics})


def check_names(metrics: Sequence[str]) -> None:
    """Raise a UserError if a metric is not in the table; it lists the metrics that are."""
    if unknown := [name for name in metrics if name not in METRICS]:
        raise UserError(f"metrics {not_among(unknown, METRICS)}.")


def rows_to_encode(metrics: Sequence[str], settings: MetricsConfig, grid: FactorGrid, *, seed: int) -> np.ndarray:
    """Return the indices of a grid's images whose codes `score` reads with the same settings and seed.

    They are unique and ascending, int64 (n,). The rows that a metric draws do not depend on codes, so they are known in
    advance. With `PartlyCoded`, the scores equal those of the whole grid.
    """
    read = np.zeros(len(grid), dtype=bool)
    for name in metrics:
        read[METRICS[name].rows(grid, getattr(settings, name), np.random.default_rng(seed))] = True
    return np.flatnonzero(read)
