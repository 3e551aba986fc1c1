"""A small scene: sky, wall, floor and a box, each with its own hue.

4,096 RGB images of 32 × 32 pixels. A β-VAE disentangles it in well under a minute, for the very reason that the benchmark
probes: the areas of the four regions are about 46 : 27 : 16 : 11, so the hues induce clearly different amounts of variance,
and a VAE aligns its latents with them. With equal areas, the same model mixes the hues.
"""

import colorsys
from dataclasses import replace
from functools import reduce

import numpy as np

from perturb.datasets.credit import OURS, Credit
from perturb.datasets.ground_truth import FactorGrid, GroundTruth

RENDERER_VERSION = 1
SIZE = 32
OVERSAMPLING = 4
SAMPLES = OVERSAMPLING**2
HUES = np.linspace(0.0, 0.5, 8)
"""Half of the hue circle, from red to cyan. It is open, so that a single latent can encode it without a cut."""
CLOSED_HUES = np.arange(8) / 8
"""The whole hue circle. A single latent can only encode it by cutting it open."""
CONTRAST = 0.8
"""Colours lie between 0.1 and 0.9."""
SKY_BOTTOM, FLOOR_TOP = 0.12 * SIZE, 0.58 * SIZE
BOX_SIDE, BOX_BOTTOM = 13.0, 30.0


OWN_SCENE = Credit(
    "Mini scene",
    OURS,
    renderer="they have no other source",
    limits=("The scene is perturb's own, for demonstrations and tests; no other work reports scores on it.",),
)


class Mini(GroundTruth):
    """The renderer. Its masks are drawn once, and an image is a weighted sum of four colours."""

    name = "mini"
    credit = OWN_SCENE
    layout = "shapes3d"
    grid = FactorGrid(("floor_hue", "wall_hue", "object_hue", "sky_hue"), (8, 8, 8, 8))
    image_shape = (SIZE, SIZE, 3)
    factor_values = (HUES, HUES, HUES, HUES)

    def __init__(self) -> None:
        self._coverage = _coverage()
        self._colours = np.array([[_colour(hue) for hue in hues] for hues in self.factor_values])

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, uint8 (n, 32, 32, 3), in integer arithmetic: no image depends on others in a batch."""
        colours = self._colours[np.arange(4), self.grid.factors_of(indices)]
        parts = (colours[:, region, None, None] * self._coverage[region, :, :, None] for region in range(4))
        mixed = reduce(np.add, parts)
        return ((mixed + SAMPLES // 2) // SAMPLES).astype(np.uint8)

    def provenance(self) -> dict[str, str]:
        """Return the origin of the images as stated in files: `source`, `renderer` and `version`."""
        return {"source": "renderer", "renderer": self.name, "version": str(RENDERER_VERSION)}


class MiniClosed(Mini):
    """The same scene, but floor, wall and box run through the whole hue circle, and only the sky through half of it.

    As in Shapes3D, a VAE must cut a circle open or spend two latents on it, so restarts end in different minima.
    """

    name = "mini_closed"
    credit = replace(OWN_SCENE, title="Mini scene with closed hues")
    factor_values = (CLOSED_HUES, CLOSED_HUES, CLOSED_HUES, HUES)


def _colour(hue: float) -> np.ndarray:
    """Return the RGB colour of a hue at full saturation, int16, between 0.1 and 0.9 of 255."""
    return np.rint(255 * (0.5 + (np.array(colorsys.hsv_to_rgb(hue, 1.0, 1.0)) - 0.5) * CONTRAST)).astype(np.int16)


def _coverage() -> np.ndarray:
    """Count the samples, of 16 per pixel, that floor, wall, box and sky cover, int16 (4, 32, 32). This gives soft edges."""
    centres = (np.arange(SIZE * OVERSAMPLING) + 0.5) / OVERSAMPLING
    y, x = np.meshgrid(centres, centres, indexing="ij")
    box = (np.abs(x - SIZE / 2) <= BOX_SIDE / 2) & (y <= BOX_BOTTOM) & (y >= BOX_BOTTOM - BOX_SIDE)
    sky, floor = y < SKY_BOTTOM, (y >= FLOOR_TOP) & ~box
    wall = ~(sky | floor | box)
    masks = np.stack([floor, wall, box, sky]).astype(np.int16)
    return masks.reshape(4, SIZE, OVERSAMPLING, SIZE, OVERSAMPLING).sum(axis=(2, 4), dtype=np.int16)
