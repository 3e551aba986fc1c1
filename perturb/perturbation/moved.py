"""Images with a network's pattern applied on the fly, for use before a file is written."""

import numpy as np
import torch
from torch import Tensor

from perturb.config.perturbation import Bound
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.perturbation.bounds import apply_pattern
from perturb.perturbation.network import PerturbationNetwork


class MovedPixels(Pixels):
    """The images that a network's file would contain, byte for byte.

    Args:
        originals: All original images of the grid.
        network: The calibrated network that generates the pattern, on the CPU.
        grid: Factor grid of the originals.
        epsilon: Largest change of a pixel, for pixels in [0, 1].
        bound: "reflect" or "clip".

    """

    def __init__(
        self, originals: Pixels, network: PerturbationNetwork, grid: FactorGrid, *, epsilon: float, bound: Bound
    ) -> None:
        super().__init__(originals._array)
        self._originals, self._network, self._grid = originals, network, grid
        self._epsilon, self._bound = epsilon, bound

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape (n, height, width, channels)."""
        return len(self), self._network.image_side, self._network.image_side, self.channels

    @property
    def channels(self) -> int:
        """Number of channels of an image."""
        return self._originals.channels

    def resident(self, device: torch.device | str) -> Pixels:
        """Return self: images are generated on the CPU, and each batch is transferred."""
        return self

    @torch.no_grad()
    def images(self, numbers: np.ndarray | slice) -> np.ndarray:
        """Return images by index, uint8 (..., height, width, channels) for indices (...)."""
        wanted = np.arange(len(self))[numbers]
        flat = wanted.reshape(-1)
        pattern = self._network(torch.from_numpy(self._grid.scaled(flat))).numpy()
        originals = np.array(self._originals.images(flat))
        moved = apply_pattern(originals, pattern, epsilon=self._epsilon, bound=self._bound)
        return moved.reshape(*wanted.shape, *moved.shape[1:])

    def stored(self, numbers: Tensor | np.ndarray, *, device: torch.device | str = "cpu") -> Tensor:
        """Return images by index on a device, uint8 (..., height, width, channels) for indices (...)."""
        wanted = numbers.cpu().numpy() if isinstance(numbers, Tensor) else numbers
        return torch.from_numpy(self.images(wanted)).to(device)
