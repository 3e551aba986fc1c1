"""Samples that fill no grid of factors, such as photographs or vectors, in the forms that a training takes."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.datasets.splits import numbers_in


class Vectors(Pixels):
    """Vectors by number, as images of one pixel with a channel for each value; they are kept and drawn as float32.

    Args:
        array: float32 (n, 1, 1, values), an array or a tensor on a device.

    """

    def resident(self, device: torch.device | str) -> "Vectors":
        """A copy of all vectors on a device."""
        return Vectors(torch.from_numpy(np.array(self._array)).to(device))

    def unpacked(self, stored: Tensor) -> Tensor:
        """Stored vectors, float32 (..., 1, 1, values), as they are."""
        return stored


@dataclass(frozen=True)
class Samples:
    """Samples by number, and what is known of each."""

    values: np.ndarray
    """Images, uint8 (n, height, width, channels), or vectors, float32 (n, values)."""
    known: np.ndarray
    """Factors, float64 (n, factors), or classes, uint8 (n,); no training sees them."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def pixels(self) -> Pixels:
        """The samples as `train` takes them."""
        return Vectors(self.values[:, None, None]) if self.values.ndim == 2 else Pixels(self.values)

    @property
    def grid(self) -> FactorGrid:
        """A grid of which each sample is a point, so that a training draws them all alike."""
        return FactorGrid(("sample",), (len(self),))

    def part(self, split: str) -> "Samples":
        """The samples of a fixed split, the same for everybody: 80 % are `train`, 10 % `valid`, 10 % `test`.

        Raises:
            UserError: there is no such split.

        """
        numbers = numbers_in(split, len(self))
        return Samples(self.values[numbers], self.known[numbers])
