"""A line of the table of metrics."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perturb.config import MetricsConfig


@dataclass(frozen=True)
class Metric:
    """How a metric is called and read."""

    title: str
    """As tables print it."""
    compute: Callable[[np.ndarray, np.ndarray, MetricsConfig], float]
    """(codes (n, latents), factors (n, factors), settings) → score."""
    higher_is_better: bool
