"""Some metrics of the same codes."""

from collections.abc import Sequence

import numpy as np
from joblib import parallel_config

from perturb.config.metrics import MetricsConfig
from perturb.config.section import Section
from perturb.errors import UserError
from perturb.metrics.coded import Coded
from perturb.metrics.metric import Scores
from perturb.metrics.table import METRICS


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


def score_one(coded: Coded, name: str, settings: Section, *, seed: int = 0, threads: int = -1) -> Scores:
    """One metric with its own settings; seed, threads and errors as `score`."""
    with parallel_config("threading", n_jobs=threads):
        return METRICS[name].compute(coded, settings, np.random.default_rng(seed))


def chosen_settings(metrics: Sequence[str], settings: MetricsConfig | None, *, fast: bool) -> MetricsConfig:
    """What `score` scores with; errors as there."""
    check_names(metrics)
    if not fast:
        return settings or MetricsConfig()
    if settings is not None:
        raise UserError("fast brings its own settings; give one or the other.")
    return MetricsConfig(**{name: METRICS[name].fast for name in metrics})


def check_names(metrics: Sequence[str]) -> None:
    """Refuse metrics that are not in the table, with a UserError that lists those that are."""
    if unknown := [name for name in metrics if name not in METRICS]:
        raise UserError(f"metrics must be among {', '.join(METRICS)}; got {', '.join(unknown)}.")


def rows_to_encode(metrics: Sequence[str], settings: MetricsConfig, num_images: int, *, seed: int) -> np.ndarray:
    """Which images' codes some metrics need, int64 (rows,): the whole grid in its order, or a sample drawn from it.

    Without a metric that intervenes on factors a sample does, where it is smaller. It is drawn as `score` would draw it from
    the whole grid with the same seed, so that scores do not depend on which of the two was encoded.
    """
    if any(METRICS[name].interventional for name in metrics):
        return np.arange(num_images)
    most = max(sum(getattr(settings, name).counts.values()) for name in metrics)
    if most >= num_images:
        return np.arange(num_images)
    return np.random.default_rng(seed).integers(num_images, size=most)
