"""A ground truth of your own: a disc that varies in colour, size and place, on a background that varies in colour."""

import colorsys

import numpy as np

from perturb import FactorGrid, GroundTruth

SIZE = 32
PLACES = np.linspace(10, 22, 6)
RADII = np.linspace(4, 9, 5)


def palette(first: float, last: float) -> np.ndarray:
    """Return the RGB values of six hues, float64 (6, 3) in [0, 255]."""
    return 255 * np.array([colorsys.hsv_to_rgb(hue, 1.0, 0.9) for hue in np.linspace(first, last, 6)])


BACKGROUNDS, COLOURS = palette(0.0, 0.35), palette(0.5, 0.85)


class Discs(GroundTruth):
    """1,080 images; the last factor varies fastest."""

    grid = FactorGrid(("background", "colour", "place", "radius"), (6, 6, 6, 5))
    image_shape = (SIZE, SIZE, 3)

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, uint8 (n, 32, 32, 3)."""
        background, colour, place, radius = self.grid.factors_of(indices).T[:, :, None, None]
        y, x = np.mgrid[:SIZE, :SIZE] + 0.5
        inside = (x - PLACES[place]) ** 2 + (y - SIZE / 2) ** 2 <= RADII[radius] ** 2
        return np.where(inside[..., None], COLOURS[colour], BACKGROUNDS[background]).astype(np.uint8)
