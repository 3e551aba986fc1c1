"""m_ψ after its training: its scalar calibrated, its pattern measured, its untrained control, its images."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from perturb.datasets.ground_truth import FactorGrid
from perturb.perturbation.bounds import bounded, quantised
from perturb.perturbation.network import PerturbationNetwork

SAMPLE = 10_000
BATCH = 1_000
LARGEST_LOG_GAIN = 14.0


@dataclass(frozen=True)
class PatternStatistics:
    """What the pattern δ does over the data; δ in units of ε, before the mirror."""

    variance: float
    """Over images, mean over pixels, in [0, 1]."""
    mean_square: float
    """In [0, 1]; 1 when every pixel moves by ε."""

    @property
    def variation(self) -> float:
        """Share of the mean square that varies over the data, in [0, 1]: near 0 the pattern has collapsed."""
        return self.variance / self.mean_square if self.mean_square > 0 else 0.0

    def as_json(self) -> dict[str, float]:
        """For the manifest."""
        return asdict(self) | {"variation": self.variation}


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
    network.eval()
    _set_statistics(network.standardise, torch.cat([network.neuron(factors) for factors in _factors(grid)]))
    drawn = torch.cat([network.drawn(network.scalar(factors)).flatten(1) for factors in _factors(grid)])
    _set_statistics(network.standardise_pattern, drawn)


def _set_statistics(layer: nn.Module, values: Tensor) -> None:
    """Mean and variance of values (n, features), where the layer keeps any."""
    if isinstance(layer, nn.BatchNorm1d):
        layer.running_mean.copy_(values.mean(dim=0))
        layer.running_var.copy_(values.var(dim=0, unbiased=False))


@torch.no_grad()
def measure(network: PerturbationNetwork, grid: FactorGrid) -> PatternStatistics:
    """Statistics of the pattern over the data, in float64."""
    total = square = 0.0
    for factors in _factors(grid):
        pattern = network.coarse_pattern(factors).double()
        total, square = total + pattern.sum(dim=0), square + pattern.square().sum(dim=0)
    count = len(sample_of(grid))
    mean, mean_square = total / count, square / count
    variance = (mean_square - mean.square()).clamp(min=0)
    return PatternStatistics(variance.mean().item(), mean_square.mean().item())


@torch.no_grad()
def match_variance(network: PerturbationNetwork, grid: FactorGrid, variance: float) -> PatternStatistics:
    """Bring the pattern's variance to `variance` by its offset and gain before tanh; its statistics then.

    For the control `untrained`: the same ε and the same variance as the trained network, nothing learned. The offset is the
    median over the data, so that every pixel spends half of the images on either side and any variance below 1 is in reach.
    """
    from scipy.optimize import brentq

    raw = torch.cat([network.before_tanh(network.scalar(factors)) for factors in _factors(grid)])
    network.offset.copy_(raw.median(dim=0).values)

    def excess(log_gain: float) -> float:
        network.gain.fill_(math.exp(log_gain))
        return measure(network, grid).variance - variance

    low, high = -LARGEST_LOG_GAIN, LARGEST_LOG_GAIN
    excess(high if excess(high) < 0 else brentq(excess, low, high, xtol=1e-3))
    return measure(network, grid)


def shifted(images: np.ndarray, pattern: np.ndarray, *, epsilon: float, bound: str) -> np.ndarray:
    """Images moved by ε times a pattern, as they are stored, uint8 (n, height, width, channels).

    Args:
        images: originals, uint8.
        pattern: float32 in [-1, 1], same shape.
        epsilon: largest change, of pixels in [0, 1].
        bound: "reflect" or "clip".

    """
    moved = bounded(torch.from_numpy(images).float() / 255, torch.from_numpy(pattern), epsilon=epsilon, bound=bound)
    return quantised(moved.numpy(), images, epsilon=epsilon)
