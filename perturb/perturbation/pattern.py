"""m_ψ after its training: its scalar and its pattern calibrated over the data, and what it changes measured."""

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
    """The whole grid, or 10,000 images of it, evenly apart in a fixed shuffled order: image numbers."""
    if grid.num_images <= SAMPLE:
        return np.arange(grid.num_images)
    return np.sort(np.random.default_rng(0).choice(grid.num_images, SAMPLE, replace=False))


def _factors(grid: FactorGrid) -> Iterator[Tensor]:
    """Scaled factors of the sample, in batches."""
    indices = sample_of(grid)
    for start in range(0, len(indices), BATCH):
        yield torch.from_numpy(grid.scaled(indices[start : start + BATCH]))


@torch.no_grad()
def calibrate(network: PerturbationNetwork, grid: FactorGrid) -> None:
    """Replace the running statistics of scalar and pattern by those of the data, and switch to evaluation."""
    calibrate_scalar(network, grid)
    drawn = torch.cat([network.drawn(network.scalar(factors)).flatten(1) for factors in _factors(grid)])
    _set_statistics(network.standardise_pattern, drawn)


@torch.no_grad()
def calibrate_scalar(network: PerturbationNetwork, grid: FactorGrid) -> None:
    """Replace the running statistics of the scalar alone; the pattern stays as it is over the scalar."""
    network.eval()
    _set_statistics(network.standardise, torch.cat([network.neuron(factors) for factors in _factors(grid)]))


@torch.no_grad()
def scalars_of(network: PerturbationNetwork, grid: FactorGrid) -> Tensor:
    """The scalar over the sample of the data, (n,)."""
    return torch.cat([network.scalar(factors)[:, 0] for factors in _factors(grid)])


def _set_statistics(layer: nn.Module, values: Tensor) -> None:
    """Mean and variance of values (n, features), where the layer keeps any."""
    if isinstance(layer, nn.BatchNorm1d):
        assert layer.running_mean is not None
        assert layer.running_var is not None
        layer.running_mean.copy_(values.mean(dim=0))
        layer.running_var.copy_(values.var(dim=0, unbiased=False))


@torch.no_grad()
def measure(
    network: PerturbationNetwork, images: Images, grid: FactorGrid, *, epsilon: float, bound: str
) -> PatternStatistics:
    """Return what the pattern changes over the data as it is stored; arguments as of a `Probe`.

    Exact on grids of up to 4,096 images, an estimate from 2,048 images and their neighbours beyond.
    """
    probe = Probe(images, grid, epsilon=epsilon, bound=bound)
    return probe.statistics(lambda rows: network(torch.from_numpy(grid.scaled(probe.numbers[rows]))).flatten(1))
