"""An entry of the table of metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from perturb.config.metrics import SampleConfig
from perturb.config.section import Section
from perturb.datasets.ground_truth import FactorGrid
from perturb.metrics.coded import Coded, drawn

Scores = dict[str, float]


def drawn_rows(grid: FactorGrid, settings: SampleConfig, rng: np.random.Generator) -> np.ndarray:
    """Return the indices of the images that `Coded.sample` will draw for these settings, int64 (n,): the default `rows`."""
    return np.concatenate(drawn(len(grid), settings, rng, is_grid=True))


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One entry of the table of metrics: how to compute a metric, and how to interpret it."""

    title: str
    """The metric's name in tables."""
    compute: Callable[[Coded, Any, np.random.Generator], Scores]
    """(codes and factors, settings, generator) → scores by name. Raises UserError if they are not defined."""
    score: str
    """The key of the score that is shown in tables."""
    range: tuple[float, float | None]
    """Smallest and largest value. The largest is None if it is the number of latents, or if there is no bound."""
    higher_is_better: bool
    source: str
    """The paper that defines it."""
    in_library: bool = False
    """True if disentanglement_lib 1.5 has it; definition and default settings are then taken from there."""
    cost: Literal["milliseconds", "seconds", "minutes"]
    """Order of magnitude of the run time, for 10,000 codes with 5 factors on one core."""
    rows: Callable[[FactorGrid, Any, np.random.Generator], np.ndarray] = drawn_rows
    """(grid, settings, generator) → indices of the images whose codes `compute` reads with the same generator."""
    fast: Section
    """Cheaper settings for monitoring a training; not for tables."""

    @property
    def interventional(self) -> bool:
        """True if it draws images that share a factor's value."""
        return self.rows is not drawn_rows
