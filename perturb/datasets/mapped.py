"""A ground truth whose images have already been laid out in memory-mapped form."""

import numpy as np

from perturb.datasets.ground_truth import GroundTruth


class MappedGroundTruth(GroundTruth):
    """Grid, layout and labels of another ground truth; the images come from an array of all of them.

    Args:
        origin: what the images are of.
        images: uint8 (num_images, height, width, channels), usually a memory map.

    """

    def __init__(self, origin: GroundTruth, images: np.ndarray) -> None:
        self.name, self.layout, self.grid = origin.name, origin.layout, origin.grid
        self.image_shape, self.factor_values = origin.image_shape, origin.factor_values
        self._origin, self._images = origin, images

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Images by number, uint8 (n, height, width, channels)."""
        return self._images[np.asarray(indices)]

    def provenance(self) -> dict[str, str]:
        """The origin's."""
        return self._origin.provenance()
