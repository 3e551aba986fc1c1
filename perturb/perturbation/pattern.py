"""Calibrate a trained m_ψ's scalar and pattern over the data, and measure the changes that it makes."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from perturb.datasets.ground_truth import FactorGrid
from perturb.perturbation.network import PerturbationNetwork
from perturb.perturbation.stored import Images, PatternStatistics, Probe

SAMPLE = 10_000
BATCH = 1_000


def sample_of(grid: FactorGrid) -> np.ndarray:
    """Return image indices, sorted: the whole grid, or a fixed random sample of 10,000 images."""
    if grid.num_images <= SAMPLE:
        return np.arange(grid.num_images)
    return np.sort(np.random.default_rng(0).choice(grid.num_images, SAMPLE, replace=False))


def _factors(grid: FactorGrid) -> Iterator[Tensor]:
    """Yield the scaled factors of the sample, in batches."""
    indices = sample_of(grid)
    for start in range(0, len(indices), BATCH):
        yield torch.from_numpy(grid.scaled(indices[start : start + BATCH]))


@torch.no_grad()
def calibrate(network: PerturbationNetwork, grid: FactorGrid) -> None:
    """Replace the running statistics of scalar and pattern by those of the data, and switch to evaluation mode."""
    calibrate_scalar(network, grid)
    drawn = torch.cat([network.drawn(network.scalar(factors)).flatten(1) for factors in _factors(grid)])
    _set_statistics(network.standardise_pattern, drawn)


@torch.no_grad()
def calibrate_scalar(network: PerturbationNetwork, grid: FactorGrid) -> None:
    """Replace the running statistics of the scalar only; the pattern as a function of the scalar stays the same."""
    network.eval()
    _set_statistics(network.standardise, torch.cat([network.neuron(factors) for factors in _factors(grid)]))


@torch.no_grad()
def scalars_of(network: PerturbationNetwork, grid: FactorGrid) -> Tensor:
    """Return the scalar over the sample of the data, (n,)."""
    return torch.cat([network.scalar(factors)[:, 0] for factors in _factors(grid)])


def _set_statistics(layer: nn.Module, values: Tensor) -> None:
    """Set the layer's running mean and variance to those of values (n, features), if it has any."""
    if isinstance(layer, nn.BatchNorm1d):
        assert layer.running_mean is not None
        assert layer.running_var is not None
        layer.running_mean.copy_(values.mean(dim=0))
        layer.running_var.copy_(values.var(dim=0, unbiased=False))


@torch.no_grad()
def measure(
    network: PerturbationNetwork, images: Images, grid: FactorGrid, *, epsilon: float, bound: str
) -> PatternStatistics:
    """Measure the stored pattern over the data; arguments as for `Probe`.

    The statistics are exact on grids of up to 4,096 images. On larger grids they are estimates from 2,048 images and their
    neighbours.
    """
    probe = Probe(images, grid, epsilon=epsilon, bound=bound)
    return probe.statistics(lambda rows: network(torch.from_numpy(grid.scaled(probe.numbers[rows]))).flatten(1))
