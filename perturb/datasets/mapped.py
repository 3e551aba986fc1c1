"""A ground truth whose images have already been laid out in memory-mapped form."""

import numpy as np

from perturb.datasets.ground_truth import GroundTruth
from perturb.datasets.pixels import Pixels


class MappedGroundTruth(GroundTruth):
    """Grid, layout and labels of another ground truth; the images come from their own file.

    Args:
        origin: what the images are of.
        pixels: all of its images.

    """

    def __init__(self, origin: GroundTruth, pixels: Pixels) -> None:
        self.name, self.layout, self.grid = origin.name, origin.layout, origin.grid
        self.image_shape, self.factor_values = origin.image_shape, origin.factor_values
        self.binary = origin.binary
        self._origin, self._pixels = origin, pixels

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Images by number, uint8 (n, height, width, channels)."""
        return self._pixels.images(np.asarray(indices))

    def provenance(self) -> dict[str, str]:
        """The origin's."""
        return self._origin.provenance()
