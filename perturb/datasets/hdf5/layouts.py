"""The official file layouts, in one place for writers and readers.

dSprites: imgs (n, 64, 64), latents_classes and latents_values (n, 6) with the one-valued colour first, as in the authors'
.npz file; in HDF5 the same arrays are also latents/classes and latents/values, as in their .hdf5 file.
Shapes3D: images (n, 64, 64, 3) and labels (n, 6), real values. Ground truths without an official layout take Shapes3D's.
Images of benchmark files are uint8 with black 0 and white 255 in every variant, so that one loader reads them all alike: the
original dSprites file holds 0 and 1, which a perturbed image cannot. The attribute `white` states the scale.
"""

from dataclasses import dataclass

import numpy as np

from perturb.datasets.ground_truth import GroundTruth

WHITE = 255


@dataclass(frozen=True)
class Layout:
    """Names of the datasets in a file."""

    images: str
    values: str
    classes: str | None
    has_channel_axis: bool
    has_colour: bool
    """True if the labels begin with dSprites' colour, which has one value."""
    links: tuple[tuple[str, str], ...] = ()
    """Further names of arrays in an HDF5 file: (name, array)."""

    @property
    def labels(self) -> dict[str, type]:
        """Types of the arrays with labels by their names."""
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
    """Shape of one stored image."""
    return ground_truth.image_shape if layout.has_channel_axis else ground_truth.image_shape[:2]


def labels(layout: Layout, ground_truth: GroundTruth) -> dict[str, np.ndarray]:
    """All labels by their name in the file: real values float64 and, where the layout has them, classes int64."""
    numbers = np.arange(ground_truth.grid.num_images)
    values, classes = ground_truth.values_of(numbers), ground_truth.grid.factors_of(numbers)
    if layout.has_colour:
        values = np.concatenate([np.ones((len(values), 1)), values], axis=1)
        classes = np.concatenate([np.zeros((len(classes), 1), np.int64), classes], axis=1)
    return {layout.values: values} | ({layout.classes: classes} if layout.classes else {})
