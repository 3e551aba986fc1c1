"""Patterns of a whole grid by linear interpolation: m_ψ's pattern depends on one number, so a table of it is enough.

Along that number every value of the pattern is a curve, of straight pieces before tanh. It is evaluated at equidistant
knots, whose number is doubled until halfway between two of them the straight line misses the curve by less than `TOLERANCE`
grey levels everywhere. For 737,280 images that is a hundred times less work than evaluating each of them, and one pixel in
thousands is rounded to another grey level (benchmarks/files.py counts them).
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from perturb.datasets.ground_truth import FactorGrid
from perturb.perturbation.network import PerturbationNetwork

SMALL_GRID = 65_536
"""Images; up to here each pattern is drawn."""
FIRST_KNOTS, MOST_KNOTS = 1_025, 8_193
TOLERANCE = 0.1
"""Grey levels of 255."""
BATCH = 128
Patterns = Callable[[np.ndarray], np.ndarray]
"""Image numbers (n,) → δ, float32 (n, height, width, channels), in [-1, 1]."""


def patterns_of(network: PerturbationNetwork, grid: FactorGrid, *, epsilon: float) -> Patterns:
    """Return a function that gives the patterns of a grid's images.

    Args:
        network: calibrated.
        grid: of the images.
        epsilon: what the pattern will be multiplied by, of pixels in [0, 1].

    Returns:
        Patterns interpolated in a table, or evaluated one by one where that is less work: on a small grid, or where a curve
        is too crooked for a table.

    """
    return _tabulated(network, grid, epsilon) or (lambda numbers: _drawn_each(network, grid, numbers))


@torch.no_grad()
def _drawn_each(network: PerturbationNetwork, grid: FactorGrid, numbers: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(grid.scaled(numbers))).numpy()


@torch.no_grad()
def _tabulated(network: PerturbationNetwork, grid: FactorGrid, epsilon: float) -> Patterns | None:
    """The table of a network over a grid; None where it does not pay."""
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
    """Marks, and the pattern at each; called with image numbers, gives their patterns."""

    def __init__(self, network: PerturbationNetwork, grid: FactorGrid, first: float, step: float, drawn: Tensor) -> None:
        self._network, self._grid, self._first, self._step, self._drawn = network, grid, first, step, drawn

    @torch.no_grad()
    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Patterns δ, float32 (n, height, width, channels), in [-1, 1], of image numbers (n,)."""
        scalars = self._network.scalar(torch.from_numpy(self._grid.scaled(numbers)))[:, 0].double()
        places = ((scalars - self._first) / self._step).clamp(0, len(self._drawn) - 1)
        below = places.long().clamp(max=len(self._drawn) - 2)
        shares = (places - below).float().view(-1, 1, 1, 1)
        return self._network.enlarged(torch.lerp(self._drawn[below], self._drawn[below + 1], shares)).numpy()


def _range(network: PerturbationNetwork, grid: FactorGrid) -> tuple[float, float]:
    """Smallest and largest scalar over the grid."""
    numbers = torch.arange(grid.num_images).split(2**16)
    found = [torch.aminmax(network.scalar(torch.from_numpy(grid.scaled(part.numpy())))) for part in numbers]
    return min(part.min.item() for part in found), max(part.max.item() for part in found)


def _curve(network: PerturbationNetwork, first: float, step: float, count: int) -> Tensor:
    """Patterns before they are enlarged, (count, *pattern_shape), of scalars evenly apart."""
    scalars = first + step * torch.arange(count, dtype=torch.float64)
    return torch.cat([network.pattern_of(part[:, None].float()) for part in scalars.split(BATCH)])


def _largest_miss(drawn: Tensor, halfway: Tensor) -> float:
    """Return how far the curve is from the straight line, halfway between neighbouring knots, at most."""
    pairs = zip(drawn[:-1].split(BATCH), drawn[1:].split(BATCH), halfway.split(BATCH), strict=True)
    return max((torch.lerp(left, right, 0.5) - middle).abs().max().item() for left, right, middle in pairs)


def _interleaved(drawn: Tensor, halfway: Tensor) -> Tensor:
    """Knots and those halfway between them, in order."""
    both = drawn.new_empty(len(drawn) + len(halfway), *drawn.shape[1:])
    both[0::2], both[1::2] = drawn, halfway
    return both
