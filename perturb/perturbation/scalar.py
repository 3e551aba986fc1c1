"""Sobol indices of the factors for the scalar of m_ψ, and the effective number of factors that it depends on.

For a scalar s(w) with w uniform over the grid,

    main effect of k    Var(E[s | w_k]) / Var(s)            what factor k explains alone
    total effect of k   E[Var(s | all factors but w_k)] / Var(s)    what is lost without k, including interactions
    effective number    exp(entropy of the total effects, normalised to sum 1)

(Sobol 1993, Homma and Saltelli 1996.) A scalar of a single factor has an effective number of 1. Its pattern moves images
along that factor's own axis and cannot mix the factor with another, whatever the pattern's variance.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from perturb.datasets.ground_truth import FactorGrid
from perturb.perturbation.network import PerturbationNetwork

EXACT = 65_536
"""Largest grid, in points, that is evaluated completely; larger ones are sampled."""
SAMPLE = 8_192
"""Pairs of points per estimate, which gives a standard error of about 0.01."""
BATCH = 1 << 16
CONSTANT = 1e-10
"""Share of the mean square up to which a variance counts as rounding error."""
REACHABLE = 2 / 3

Scalars = Callable[[np.ndarray], np.ndarray]
"""A function from image indices (n,) to scalars s, (n,)."""


@dataclass(frozen=True, kw_only=True)
class ScalarEffects:
    """The effects of the factors on a scalar; all zeros if it is constant."""

    main: tuple[float, ...]
    """Main effect of each factor, in the grid's order, in [0, 1]; they sum to at most 1."""
    total: tuple[float, ...]
    """Total effect of each factor, at least its main effect; they sum to at least 1."""
    linear: float
    """R² of the best linear function of the factors scaled to [-1, 1]."""

    @property
    def effective(self) -> float:
        """Effective number of factors, from 1 to the number of factors; 0 for a constant scalar."""
        shares = np.array(self.total) / sum(self.total) if sum(self.total) > 0 else np.zeros(len(self.total))
        shares = shares[shares > 0]
        return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the effects in the form in which the manifest stores them."""
        return asdict(self) | {"effective": self.effective}


def scalar_effects(network: PerturbationNetwork, grid: FactorGrid) -> ScalarEffects:
    """Compute the effects of the factors on a calibrated network's scalar over a grid."""

    @torch.no_grad()
    def scalars(numbers: np.ndarray) -> np.ndarray:
        parts = [numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH)]
        return np.concatenate([network.scalar(torch.from_numpy(grid.scaled(part)))[:, 0].numpy() for part in parts])

    return effects_of(scalars, grid)


def effects_of(scalars: Scalars, grid: FactorGrid) -> ScalarEffects:
    """Compute the effects on any function of the factors: exact up to 65,536 points, else estimated from a fixed sample."""
    return _exact(scalars, grid) if grid.num_images <= EXACT else _estimated(scalars, grid)


def fewest_factors(asked: float, grid: FactorGrid) -> float:
    """Return the effective number of factors to require of a scalar on a grid, at most `asked`.

    n factors have an effective number of n only if their total effects are all equal. A fixed threshold could thus be out of
    reach on a small grid. The requirement is capped at two thirds of the factors with several values: 2 of 3, or 1.3 of 2.
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
    """Divide the effects' variances by the variance of the values."""
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
    """Return E[s | w_k] over the values of each factor k, in standard deviations of s, float64 (values of k,) each.

    Args:
        network: The calibrated network.
        grid: Factor grid of the network.
        images: Number of points over which the other factors are averaged, drawn with a fixed seed.

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
