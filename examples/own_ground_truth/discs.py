"""A ground truth of one's own: a disc of some colour, size and place before a background of some colour."""

import colorsys

import numpy as np

from perturb.datasets import FactorGrid, GroundTruth

SIZE = 32
COLOURS = np.array([colorsys.hsv_to_rgb(hue, 1.0, 0.9) for hue in np.linspace(0.0, 0.6, 6)]) * 255
PLACES = np.linspace(10, 22, 6)
RADII = np.linspace(4, 9, 5)


class Discs(GroundTruth):
    """1,080 images; the last factor runs fastest."""

    grid = FactorGrid(("background", "colour", "place", "radius"), (6, 6, 6, 5))
    image_shape = (SIZE, SIZE, 3)

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Images by number, uint8 (n, 32, 32, 3)."""
        background, colour, place, radius = self.grid.factors_of(indices).T[:, :, None, None]
        y, x = np.mgrid[:SIZE, :SIZE] + 0.5
        inside = (x - PLACES[place]) ** 2 + (y - SIZE / 2) ** 2 <= RADII[radius] ** 2
        return np.where(inside[..., None], COLOURS[colour], COLOURS[background]).astype(np.uint8)
