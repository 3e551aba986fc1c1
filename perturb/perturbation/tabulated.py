"""Patterns of a whole grid by linear interpolation: m_ψ's pattern depends on one number, so a lookup table is enough.

Every value of the pattern is a curve over that number, piecewise linear before tanh. It is evaluated at equidistant knots.
Their number is doubled until, halfway between neighbouring knots, interpolation is off by less than `TOLERANCE` grey levels
everywhere. For 737,280 images this is a hundred times less work than evaluating each of them, and one pixel in thousands is
rounded to another grey level (benchmarks/files.py counts them).
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from perturb.datasets.ground_truth import FactorGrid
from perturb.perturbation.network import PerturbationNetwork

SMALL_GRID = 65_536
"""Largest grid, in images, for which each pattern is evaluated directly."""
FIRST_KNOTS, MOST_KNOTS = 1_025, 8_193
TOLERANCE = 0.1
"""Interpolation tolerance, in grey levels of 255."""
BATCH = 128
Patterns = Callable[[np.ndarray], np.ndarray]
"""A function from image indices (n,) to δ, float32 (n, height, width, channels), in [-1, 1]."""


def patterns_of(network: PerturbationNetwork, grid: FactorGrid, *, epsilon: float) -> Patterns:
    """Return a function that gives the patterns of a grid's images.

    Args:
        network: The calibrated network.
        grid: Factor grid of the images.
        epsilon: Scale of the pattern, for pixels in [0, 1].

    Returns:
        A function that interpolates patterns in a table, or that evaluates each one directly if the grid is small or the
        curve is too irregular for a table.

    """
    return _tabulated(network, grid, epsilon) or (lambda numbers: _drawn_each(network, grid, numbers))


@torch.no_grad()
def _drawn_each(network: PerturbationNetwork, grid: FactorGrid, numbers: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(grid.scaled(numbers))).numpy()


@torch.no_grad()
def _tabulated(network: PerturbationNetwork, grid: FactorGrid, epsilon: float) -> Patterns | None:
    """Return the table of a network over a grid; None if it is not worthwhile."""
    if grid.num_images <= SMALL_GRID:
        return None
    low, high = _range(network, grid)
    step = (high - low) / (FIRST_KNOTS - 1)
    drawn = _curve(network, low, step, FIRST_KNOTS)
    while len(drawn) <= MOST_KNOTS:
        halfway = _curve(network, low + step / 2, step, len(drawn) - 1)
        if 255 * epsilon * _largest_miss(drawn, halfway) < TOLERANCE:
            return TabulatedPattern(network, grid, low, step, drawn)
        drawn, step = _interleaved(drawn, halfway), step / 2
    return None


class TabulatedPattern:
    """Knots with the pattern at each; calling it with image indices returns their patterns."""

    def __init__(self, network: PerturbationNetwork, grid: FactorGrid, first: float, step: float, drawn: Tensor) -> None:
        self._network, self._grid, self._first, self._step, self._drawn = network, grid, first, step, drawn

    @torch.no_grad()
    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Return patterns δ, float32 (n, height, width, channels) in [-1, 1], for image indices (n,)."""
        scalars = self._network.scalar(torch.from_numpy(self._grid.scaled(numbers)))[:, 0].double()
        places = ((scalars - self._first) / self._step).clamp(0, len(self._drawn) - 1)
        below = places.long().clamp(max=len(self._drawn) - 2)
        shares = (places - below).float().view(-1, 1, 1, 1)
        return self._network.enlarged(torch.lerp(self._drawn[below], self._drawn[below + 1], shares)).numpy()


def _range(network: PerturbationNetwork, grid: FactorGrid) -> tuple[float, float]:
    """Return the smallest and the largest scalar over the grid."""
    numbers = torch.arange(grid.num_images).split(2**16)
    ranges = [torch.aminmax(network.scalar(torch.from_numpy(grid.scaled(part.numpy())))) for part in numbers]
    return min(part.min.item() for part in ranges), max(part.max.item() for part in ranges)


def _curve(network: PerturbationNetwork, first: float, step: float, count: int) -> Tensor:
    """Return patterns before they are enlarged, (count, *pattern_shape), for evenly spaced scalars."""
    scalars = first + step * torch.arange(count, dtype=torch.float64)
    return torch.cat([network.pattern_of(part[:, None].float()) for part in scalars.split(BATCH)])


def _largest_miss(drawn: Tensor, halfway: Tensor) -> float:
    """Return the largest interpolation error halfway between neighbouring knots."""
    pairs = zip(drawn[:-1].split(BATCH), drawn[1:].split(BATCH), halfway.split(BATCH), strict=True)
    return max((torch.lerp(left, right, 0.5) - middle).abs().max().item() for left, right, middle in pairs)


def _interleaved(drawn: Tensor, halfway: Tensor) -> Tensor:
    """Return the patterns at the knots and halfway between them, in order."""
    both = drawn.new_empty(len(drawn) + len(halfway), *drawn.shape[1:])
    both[0::2], both[1::2] = drawn, halfway
    return both
