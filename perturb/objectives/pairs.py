"""Pairs of images with related factors, as used by weakly supervised and temporal methods.

A pair is two image numbers, so that the same distribution serves a dataset, its modified files and its noise. Everything is
drawn on the device; numbers are int64 (restarts, count).
"""

import math

import torch
from torch import Tensor

from perturb.config.objectives import PairsConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.random.philox import StepRNG

Pairs = tuple[Tensor, Tensor]
"""First and second images."""


def drawn_pairs(grid: FactorGrid, draws: StepRNG, count: int, config: PairsConfig) -> Pairs:
    """Draw pairs from the distribution that a config names."""
    if config.law == "uniform":
        return uniform_pairs(grid, draws, count)
    return laplace_pairs(grid, draws, count, rate=None if config.rate == "random" else config.rate)


def laplace_pairs(grid: FactorGrid, draws: StepRNG, count: int, *, rate: float | None) -> Pairs:
    """Draw pairs by LAP of SlowVAE's code: each ordered factor takes a Laplace step of scale log(values) / rate.

    Steps are truncated at the ends. Unordered factors stay the same. If no factor would change, one ordered factor is
    redrawn from its distribution without its present value.

    Args:
        grid: of the factors.
        draws: random numbers of several restarts.
        count: number of pairs per restart.
        rate: None draws one uniformly from [1, 10] for each pair.

    """
    first = draws.integers("batch", grid.num_images, count)
    factors = factors_of(grid, first)
    rates = 1 + 9 * draws.uniform("rate", count) if rate is None else torch.full_like(first, 1, dtype=torch.float32) * rate
    moving = [k for k, name in enumerate(grid.names) if name not in grid.unordered and grid.sizes[k] > 1]
    moved, forced = list(factors), list(factors)
    for k in moving:
        weights = _laplace_weights(factors[k], grid.sizes[k], rates)
        moved[k] = _chosen(weights, draws.uniform(f"move {k}", count))
        forced[k] = _chosen(weights.scatter(-1, factors[k][..., None], 0.0), draws.uniform(f"force {k}", count))
    stuck = torch.stack([moved[k] == factors[k] for k in moving]).all(dim=0)
    picked = draws.integers("forced", len(moving), count)
    for place, k in enumerate(moving):
        moved[k] = torch.where(stuck & (picked == place), forced[k], moved[k])
    return first, indices_of(grid, moved)


def uniform_pairs(grid: FactorGrid, draws: StepRNG, count: int) -> Pairs:
    """Draw pairs by UNI: 1 to all but one of the factors, drawn without replacement, each get another value, uniformly."""
    first = draws.integers("batch", grid.num_images, count)
    factors = factors_of(grid, first)
    several = [k for k, size in enumerate(grid.sizes) if size > 1]
    changes = 1 + draws.integers("changes", max(1, len(several) - 1), count)
    ranks = draws.permutations("changed", count, len(several))
    moved = list(factors)
    for place, k in enumerate(several):
        other = draws.integers(f"move {k}", grid.sizes[k] - 1, count)
        other = other + (other >= factors[k])
        moved[k] = torch.where(ranks[..., place] < changes, other, factors[k])
    return first, indices_of(grid, moved)


def matched_pairs(grid: FactorGrid, draws: StepRNG, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw pairs that share one uniformly drawn factor and are otherwise independent, and return that factor as well."""
    first = draws.integers("batch", grid.num_images, count)
    second = draws.integers("second", grid.num_images, count)
    shared = draws.integers("shared", grid.num_factors, count)
    pairs = zip(factors_of(grid, first), factors_of(grid, second), strict=True)
    moved = [torch.where(shared == k, a, b) for k, (a, b) in enumerate(pairs)]
    return first, indices_of(grid, moved), shared


def factors_of(grid: FactorGrid, indices: Tensor) -> list[Tensor]:
    """Return the factor classes of image numbers, one tensor of their shape per factor."""
    factors = []
    for size in reversed(grid.sizes):
        factors.append(indices % size)
        indices = indices // size
    return factors[::-1]


def indices_of(grid: FactorGrid, factors: list[Tensor]) -> Tensor:
    """Return the image numbers of factor classes: the inverse of `factors_of`."""
    indices = torch.zeros_like(factors[0])
    for size, values in zip(grid.sizes, factors, strict=True):
        indices = indices * size + values
    return indices


def _laplace_weights(present: Tensor, size: int, rates: Tensor) -> Tensor:
    """Return the weights (..., size) of a factor's values around its present one (...)."""
    distance = (torch.arange(size, device=present.device) - present[..., None]).abs()
    return torch.exp(-distance * (rates / math.log(size))[..., None])


def _chosen(weights: Tensor, uniform: Tensor) -> Tensor:
    """Choose one value each, (...), by weights (..., size) and uniform numbers in [0, 1)."""
    cumulative = weights.double().cumsum(dim=-1)
    return (cumulative <= uniform[..., None].double() * cumulative[..., -1:]).sum(dim=-1)
