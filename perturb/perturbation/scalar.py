"""Sobol effects of the factors on the scalar of m_ψ, and the effective number of factors that it follows.

With s(w) the scalar and w uniform over the grid,

    main effect of k    Var(E[s | w_k]) / Var(s)            what factor k explains alone
    total effect of k   E[Var(s | all factors but w_k)] / Var(s)    what is lost when k is not known: with interactions
    effective number    exp(entropy of the total effects, normalised to sum 1)

(Sobol 1993, Homma and Saltelli 1996.) A scalar of a single factor has an effective number of 1. Its pattern moves images
along that factor's own axis and cannot mix it with another, whatever its variance.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from perturb.datasets.ground_truth import FactorGrid
from perturb.perturbation.network import PerturbationNetwork

EXACT = 65_536
"""Points; up to here the whole grid is read, beyond it a sample."""
SAMPLE = 8_192
"""Pairs of points behind an estimate, whose standard error is about 0.01."""
BATCH = 1 << 16
CONSTANT = 1e-10
"""Share of the mean square below which a variance is rounding."""
REACHABLE = 2 / 3

Scalars = Callable[[np.ndarray], np.ndarray]
"""Image numbers (n,) → s, (n,)."""


@dataclass(frozen=True, kw_only=True)
class ScalarEffects:
    """The effects of the factors on a scalar; all zeros when it is constant."""

    main: tuple[float, ...]
    """Main effect of each factor, in the grid's order, in [0, 1]; they sum to at most 1."""
    total: tuple[float, ...]
    """Total effect of each, from its main effect up; they sum to at least 1."""
    linear: float
    """R² of the best linear function of the factors scaled to [-1, 1]."""

    @property
    def effective(self) -> float:
        """Effective number of factors, from 1 to the number of factors; 0 of a constant."""
        shares = np.array(self.total) / sum(self.total) if sum(self.total) > 0 else np.zeros(len(self.total))
        shares = shares[shares > 0]
        return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0

    def as_json(self) -> dict[str, Any]:
        """The effects as the manifest keeps them."""
        return asdict(self) | {"effective": self.effective}


def scalar_effects(network: PerturbationNetwork, grid: FactorGrid) -> ScalarEffects:
    """Effects of the scalar of a calibrated network over a grid."""

    @torch.no_grad()
    def scalars(numbers: np.ndarray) -> np.ndarray:
        parts = [numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH)]
        return np.concatenate([network.scalar(torch.from_numpy(grid.scaled(part)))[:, 0].numpy() for part in parts])

    return effects_of(scalars, grid)


def effects_of(scalars: Scalars, grid: FactorGrid) -> ScalarEffects:
    """Effects of any function of the factors: exact up to 65,536 points, else estimated from a fixed sample."""
    return _exact(scalars, grid) if grid.num_images <= EXACT else _estimated(scalars, grid)


def fewest_factors(asked: float, grid: FactorGrid) -> float:
    """The effective number of factors that may be asked of a scalar on a grid.

    n factors reach n only when their total effects are all alike, so that a fixed limit could not be met on a small grid:
    no more than two thirds of the factors that have several values are asked for, which is 2 of 3 and 1.3 of 2.
    """
    return min(asked, REACHABLE * sum(size > 1 for size in grid.sizes))


def _exact(scalars: Scalars, grid: FactorGrid) -> ScalarEffects:
    numbers = np.arange(grid.num_images)
    values = scalars(numbers).astype(np.float64).reshape(grid.sizes)
    axes = range(grid.num_factors)
    means = [values.mean(axis=tuple(axis for axis in axes if axis != k)) for k in axes]
    main, total = [mean.var() for mean in means], [values.var(axis=k).mean() for k in axes]
    return _effects(values.ravel(), numbers, main, total, grid)


def _estimated(scalars: Scalars, grid: FactorGrid) -> ScalarEffects:
    """Estimate the effects by pick-freeze: two samples, and the first with one factor from the second (Jansen 1999)."""
    rng = np.random.default_rng(0)
    first, second = (rng.integers(grid.sizes, size=(SAMPLE, grid.num_factors)) for _ in range(2))
    numbers = np.concatenate([grid.indices_of(first), grid.indices_of(second)])
    values = scalars(numbers).astype(np.float64)
    of_first, of_second = np.split(values, 2)
    main, total = [], []
    for k in range(grid.num_factors):
        mixed = first.copy()
        mixed[:, k] = second[:, k]
        of_mixed = scalars(grid.indices_of(mixed)).astype(np.float64)
        main.append(values.var() - ((of_second - of_mixed) ** 2).mean() / 2)
        total.append(((of_first - of_mixed) ** 2).mean() / 2)
    return _effects(values, numbers, main, total, grid)


def _effects(
    values: np.ndarray, numbers: np.ndarray, main: list[float], total: list[float], grid: FactorGrid
) -> ScalarEffects:
    """Variances as shares of that of the values."""
    variance = values.var()
    if variance <= CONSTANT * np.square(values).mean():
        nothing = (0.0,) * grid.num_factors
        return ScalarEffects(main=nothing, total=nothing, linear=0.0)
    design = np.column_stack([grid.scaled(numbers), np.ones(len(numbers))])
    fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return ScalarEffects(
        main=tuple(float(np.clip(part / variance, 0, 1)) for part in main),
        total=tuple(float(part / variance) for part in total),
        linear=float(1 - (values - fitted).var() / variance),
    )


@torch.no_grad()
def main_curves(network: PerturbationNetwork, grid: FactorGrid, *, images: int = 1_000) -> list[np.ndarray]:
    """E[s | w_k] over the values of each factor, in standard deviations of s: float64 (values of k,) for each factor k.

    Args:
        network: calibrated.
        grid: of its factors.
        images: points over whose other factors is averaged, drawn with a fixed seed.

    """
    drawn = np.random.default_rng(0).integers(grid.sizes, size=(images, grid.num_factors))

    def scalars(factors: np.ndarray) -> np.ndarray:
        return network.scalar(torch.from_numpy(grid.scaled(grid.indices_of(factors))))[:, 0].double().numpy()

    base = scalars(drawn)
    mean, spread = base.mean(), max(base.std(), CONSTANT)
    curves = []
    for k, size in enumerate(grid.sizes):
        values = []
        for value in range(size):
            moved = drawn.copy()
            moved[:, k] = value
            values.append((scalars(moved).mean() - mean) / spread)
        curves.append(np.array(values))
    return curves
