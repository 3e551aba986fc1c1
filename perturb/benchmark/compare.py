"""Compare two benchmark files of the same grid."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.datasets.hdf5.schema import BATCH
from perturb.errors import UserError


@dataclass(frozen=True)
class Difference:
    """The difference between all pixels of two files."""

    images: int
    """Number of images compared."""
    pixels: int
    """Number of pixel values compared."""
    differing: int
    """Number of pixel values that differ."""
    largest: int
    """The largest difference of a pixel value, in grey levels of 255."""


def compare(first: Path, second: Path, *, report: Callable[[int, int], None] = lambda done, total: None) -> Difference:
    """Compare all images of two files, streaming.

    Args:
        first: a benchmark file.
        second: another benchmark file.
        report: called with (images compared, total images).

    Raises:
        UserError: a file cannot be read, or their grids or image sizes differ.

    """
    left, right = BenchmarkFile(first), BenchmarkFile(second)
    if (left.grid.sizes, left.image_shape) != (right.grid.sizes, right.image_shape):
        raise UserError(
            f"{second}: must have the grid {left.grid.sizes} and images {left.image_shape} of {first}, got "
            f"{right.grid.sizes} and {right.image_shape}."
        )
    total, pixels, differing, largest = left.grid.num_images, 0, 0, 0
    for start in range(0, total, BATCH):
        numbers = np.arange(start, min(start + BATCH, total))
        change = np.abs(left.images(numbers).astype(np.int16) - right.images(numbers))
        pixels, differing = pixels + change.size, differing + int(np.count_nonzero(change))
        largest = max(largest, int(change.max()))
        report(start + len(numbers), total)
    return Difference(total, pixels, differing, largest)
