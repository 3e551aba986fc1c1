"""Images of a ground truth or of a benchmark file in run directories, laid out so that a training can map them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perturb.config import DatasetConfig, Section
from perturb.datasets.ground_truth import GroundTruth
from perturb.datasets.pixels import Pixels
from perturb.manifests import run_file


class ImagesRun(Section):
    """The images of a ground truth, laid out to be mapped into memory."""

    dataset: DatasetConfig


class PixelsRun(Section):
    """The images of a benchmark file, laid out to be mapped into memory."""

    dataset: DatasetConfig


@dataclass(frozen=True, kw_only=True)
class ImagesResult:
    """The result of a run of either kind."""

    images: int
    """Number of images."""
    sha256: str
    """SHA-256 of the file from which images are mapped into memory, in hexadecimal."""
    provenance: dict[str, str] | None = None
    """Origin of a ground truth's images: renderer and version, or the official file and its hash. None for the images of a
    benchmark file."""


def open_images(run: Path) -> Pixels:
    """All images of a finished run of either kind, mapped.

    Raises:
        DamagedRun: they are not those that were written.

    """
    return Pixels.map(run_file(run, "*.npy"))


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
        """Return the provenance of the original ground truth."""
        return self._origin.provenance()
