# pyright: reportMissingTypeStubs=false
"""Some metrics of the same codes."""

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
    """Scores by metric; the same for the same codes, settings and seed, whatever other metrics are asked for.

    Args:
        coded: codes and factors.
        metrics: keys of METRICS.
        settings: None: disentanglement_lib's.
        seed: of every metric's own generator.
        fast: the table's cheaper settings instead.
        threads: for metrics that fit many classifiers; −1: one a core.

    Raises:
        UserError: an unknown metric, settings together with `fast`, or codes for which a metric is not defined.

    """
    chosen = chosen_settings(metrics, settings, fast=fast)
    return {name: score_one(coded, name, getattr(chosen, name), seed=seed, threads=threads) for name in metrics}


def score_defined(
    coded: Coded, metrics: Sequence[str], settings: MetricsConfig, *, seed: int = 0, threads: int = -1
) -> tuple[dict[str, Scores], dict[str, str]]:
    """Scores by metric, as `score`, and for each metric that has none of these codes why: the others lose nothing by it."""
    scores: dict[str, Scores] = {}
    refused: dict[str, str] = {}
    for name in metrics:
        try:
            scores[name] = score_one(coded, name, getattr(settings, name), seed=seed, threads=threads)
        except UserError as error:
            refused[name] = str(error)
    return scores, refused


def score_one(coded: Coded, name: str, settings: Section, *, seed: int = 0, threads: int = -1) -> Scores:
    """One metric with its own settings; seed, threads and errors as `score`.

    Raises:
        UserError: the metric is not defined for these codes, or a library cannot compute it.
        OSError: a library's file or process is not to be had; tried again, the same codes may well have a score.
        ImportError: likewise, of a library's module.

    """
    from joblib import parallel_config

    metric = METRICS[name]
    try:
        with parallel_config("threading", n_jobs=threads):
            found = metric.compute(coded, settings, np.random.default_rng(seed))
    except (UserError, NotEncoded, OSError, ImportError):
        raise
    except Exception as error:
        raise UserError(f"{metric.title} cannot be computed from these codes ({one_line(repr(error))}).") from error
    if strange := [f"{key} = {value}" for key, value in found.items() if not np.isfinite(value)]:
        raise UserError(f"{metric.title} is not finite for these codes ({', '.join(strange)}).")
    return found


def chosen_settings(metrics: Sequence[str], settings: MetricsConfig | None, *, fast: bool) -> MetricsConfig:
    """Return what `score` scores with; errors as there."""
    check_names(metrics)
    if not fast:
        return settings or MetricsConfig()
    if settings is not None:
        raise UserError("fast brings its own settings; give one or the other.")
    return MetricsConfig.model_validate({name: METRICS[name].fast for name in metrics})


def check_names(metrics: Sequence[str]) -> None:
    """Refuse metrics that are not in the table, with a UserError that lists those that are."""
    if unknown := [name for name in metrics if name not in METRICS]:
        raise UserError(f"metrics {not_among(unknown, METRICS)}.")


def rows_to_encode(metrics: Sequence[str], settings: MetricsConfig, grid: FactorGrid, *, seed: int) -> np.ndarray:
    """Images of a grid whose codes `score` reads with the same settings and seed: numbers, each once, ascending, int64 (n,).

    The rows that a metric draws do not depend on codes, so they are known beforehand; with `PartlyCoded` the scores are
    those of the whole grid.
    """
    read = np.zeros(len(grid), dtype=bool)
    for name in metrics:
        read[METRICS[name].rows(grid, getattr(settings, name), np.random.default_rng(seed))] = True
    return np.flatnonzero(read)
