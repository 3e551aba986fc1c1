"""A line of the table of metrics."""

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
    """The default `rows`: numbers of the images that `Coded.sample` will draw for these settings, int64 (n,)."""
    return np.concatenate(drawn(len(grid), settings, rng, is_grid=True))


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One row of the table of metrics: how to compute a metric, and how to read it."""

    title: str
    """The metric's name in tables."""
    compute: Callable[[Coded, Any, np.random.Generator], Scores]
    """(codes and factors, settings, generator) → scores by name. Raises UserError where they are not defined."""
    score: str
    """The key of the score that stands in tables."""
    range: tuple[float, float | None]
    """Smallest and largest value; None: as many as there are latents, or no bound."""
    higher_is_better: bool
    source: str
    """The paper that defines it."""
    in_library: bool = False
    """True if disentanglement_lib 1.5 has it; then definition and default settings are its own."""
    cost: Literal["milliseconds", "seconds", "minutes"]
    """Order of magnitude, for 10,000 codes of 5 factors on one core."""
    rows: Callable[[FactorGrid, Any, np.random.Generator], np.ndarray] = drawn_rows
    """(grid, settings, generator) → numbers of the images whose codes `compute` reads with the same generator."""
    fast: Section
    """Cheaper settings, for a look while a model trains; not for tables."""

    @property
    def interventional(self) -> bool:
        """True if it draws images that share a factor."""
        return self.rows is not drawn_rows
