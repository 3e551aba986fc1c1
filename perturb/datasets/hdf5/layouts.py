"""The official file layouts, shared by writers and readers.

dSprites: imgs (n, 64, 64), latents_classes and latents_values (n, 6) with the one-valued colour first, as in the authors'
.npz file; in HDF5 the same arrays are also latents/classes and latents/values, as in their .hdf5 file.
Shapes3D: images (n, 64, 64, 3) and labels (n, 6), real values. Ground truths without an official layout take Shapes3D's.
Images in benchmark files are uint8 with black 0 and white 255 in every variant, so that one loader can read them all. The
original dSprites file holds 0 and 1, which cannot represent a perturbed image. The attribute `white` states the scale.
"""

from dataclasses import dataclass

import numpy as np

from perturb.datasets.ground_truth import GroundTruth

WHITE = 255


@dataclass(frozen=True)
class Layout:
    """Names and conventions of the arrays in a file."""

    images: str
    values: str
    classes: str | None
    has_channel_axis: bool
    has_colour: bool
    """True if the first label is dSprites' colour, which has a single value."""
    links: tuple[tuple[str, str], ...] = ()
    """Additional names of arrays in an HDF5 file: (name, array)."""

    @property
    def labels(self) -> dict[str, type]:
        """Types of the label arrays by name."""
        return {self.values: np.float64} | ({self.classes: np.int64} if self.classes else {})


LAYOUTS = {
    "dsprites": Layout(
        "imgs",
        "latents_values",
        "latents_classes",
        has_channel_axis=False,
        has_colour=True,
        links=(("latents/classes", "latents_classes"), ("latents/values", "latents_values")),
    ),
    "shapes3d": Layout("images", "labels", None, has_channel_axis=True, has_colour=False),
}


def image_shape(layout: Layout, ground_truth: GroundTruth) -> tuple[int, ...]:
    """Return the shape of one stored image."""
    return ground_truth.image_shape if layout.has_channel_axis else ground_truth.image_shape[:2]


def labels(layout: Layout, ground_truth: GroundTruth) -> dict[str, np.ndarray]:
    """Return all labels by their name in the file: real values, float64, and classes, int64, if the layout has them."""
    numbers = np.arange(ground_truth.grid.num_images)
    values, classes = ground_truth.values_of(numbers), ground_truth.grid.factors_of(numbers)
    if layout.has_colour:
        values = np.concatenate([np.ones((len(values), 1)), values], axis=1)
        classes = np.concatenate([np.zeros((len(classes), 1), np.int64), classes], axis=1)
    return {layout.values: values} | ({layout.classes: classes} if layout.classes else {})
