"""Samples that do not form a factor grid, such as photographs or vectors, in the form that training expects."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.datasets.splits import numbers_in


class Vectors(Pixels):
    """Vectors that are addressed by number, stored as float32 images of one pixel with one channel per value.

    Args:
        array: float32 (n, 1, 1, values), an array or a tensor on a device.

    """

    def resident(self, device: torch.device | str) -> "Vectors":
        """Copy all vectors to a device."""
        return Vectors(torch.from_numpy(np.array(self._array)).to(device))

    def unpacked(self, stored: Tensor) -> Tensor:
        """Return stored vectors, float32 (..., 1, 1, values), unchanged."""
        return stored


@dataclass(frozen=True)
class Samples:
    """Samples and their known factors or classes."""

    values: np.ndarray
    """Images, uint8 (n, height, width, channels), or vectors, float32 (n, values)."""
    known: np.ndarray
    """Factors, float64 (n, factors), or classes, uint8 (n,). They are not used for training."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def pixels(self) -> Pixels:
        """The samples in the form that `train` expects."""
        return Vectors(self.values[:, None, None]) if self.values.ndim == 2 else Pixels(self.values)

    @property
    def grid(self) -> FactorGrid:
        """A grid with one point per sample, so that training draws all samples with equal probability."""
        return FactorGrid(("sample",), (len(self),))

    def part(self, split: str) -> "Samples":
        """Return the samples of a fixed split, the same for everybody: 80 % are `train`, 10 % `valid`, 10 % `test`.

        Raises:
            UserError: there is no such split.

        """
        numbers = numbers_in(split, len(self))
        return Samples(self.values[numbers], self.known[numbers])
