"""Images of a ground truth or of a benchmark file in run directories, laid out so that a training can map them.

Those of a benchmark file take 3 to 6 GB on a full grid, and half a minute to unpack. So a flow removes them when nothing
that it plans will read all of them any more. Whoever opens all of them later unpacks them again; whoever needs some, such as
the report, reads those from the file.
"""

import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perturb.config import DatasetConfig, Section
from perturb.datasets.ground_truth import GroundTruth
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.datasets.pixels import IMAGES, Pixels, write_pixels
from perturb.files import sha256_of
from perturb.locks import SECONDS_BETWEEN_TRIES, exclusive_folder
from perturb.manifests import DamagedRun, read_manifest, run_file
from perturb.progress import Progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BATCH = 1_024
"""Images in memory at a time when a whole dataset is copied."""


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
    """Map all images of a finished run of either kind into memory; unpack them again where they have been removed.

    Raises:
        DamagedRun: they are not those that were written, or cannot be unpacked again.
        UserError: the disk has too little room to unpack them.

    """
    while _are_removed(run):
        _unpack_again(run)
    return Pixels.map(run_file(run, "*.npy"))


def open_some(run: Path) -> Pixels:
    """Open the images of a finished run of either kind to read some of them, from the benchmark file if they were removed.

    An image then takes longer, about 600 are read a second on Shapes3D, but no room on the disk is needed.

    Raises:
        DamagedRun: they are not those that were written, or there is no sound file to read them from.

    """
    if not _are_removed(run):
        return open_images(run)
    file = run.parent / read_manifest(run)["inputs"]["file"]
    try:
        return _FilePixels(BenchmarkFile(run_file(file, "*.h5")))
    except DamagedRun:
        raise DamagedRun(run, IMAGES, f"was removed, and {file} does not have its images any more") from None


class _FilePixels(Pixels):
    """Images of a benchmark file, which every access reads from it."""

    def __init__(self, file: BenchmarkFile) -> None:
        self._file, self._packed = file, False

    def __len__(self) -> int:
        return len(self._file.grid)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all images, (n, height, width, channels)."""
        return (len(self), *self._file.image_shape)

    @property
    def channels(self) -> int:
        """Number of channels of an image."""
        return self._file.image_shape[-1]

    def resident(self, device: "torch.device | str") -> Pixels:
        """Copy all images to a device."""
        return Pixels(self.stored(np.arange(len(self)), device=device))

    def images(self, numbers: np.ndarray | slice) -> np.ndarray:
        """Return images of numbers (...) as uint8 (..., height, width, channels)."""
        wanted = np.arange(len(self))[numbers] if isinstance(numbers, slice) else np.asarray(numbers)
        return self._file.images(wanted.ravel()).reshape(*wanted.shape, *self._file.image_shape)

    def stored(self, numbers: "Tensor | np.ndarray", *, device: "torch.device | str" = "cpu") -> "Tensor":
        """Return images of numbers (...) as uint8 (..., height, width, channels)."""
        import torch

        return torch.from_numpy(self.images(np.asarray(numbers))).to(device)


def remove_images(run: Path) -> None:
    """Remove the unpacked images of a finished run; what is known of them stays, and whoever has mapped them keeps them."""
    with suppress(FileNotFoundError):
        (run / IMAGES).unlink()


def _are_removed(run: Path) -> bool:
    return not (run / IMAGES).exists() and read_manifest(run)["kind"] == "pixels"


def _unpack_again(run: Path) -> None:
    """Unpack the images of a file into the run that had them, unless somebody else does; then wait a moment.

    Raises:
        DamagedRun: there is no sound file any more, so that the run has to be made again with it.

    """
    with exclusive_folder(run.parent.parent / "scratch" / run.name) as scratch:
        if scratch is None:
            time.sleep(SECONDS_BETWEEN_TRIES)
            return
        file = run.parent / read_manifest(run)["inputs"]["file"]
        try:
            if _are_removed(run):
                unpack(file, scratch)
                (scratch / IMAGES).rename(run / IMAGES)
        except DamagedRun:
            raise DamagedRun(run, IMAGES, f"was removed, and {file} does not have its images any more") from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def unpack(run: Path, folder: Path, progress: Progress | None = None) -> ImagesResult:
    """Unpack the images of a benchmark file into a folder.

    Args:
        run: that wrote the file.
        folder: where `images.npy` goes.
        progress: told of every block of images.

    Raises:
        DamagedRun: the file is not the one that was written.
        UserError: the disk has too little room.

    """
    file = BenchmarkFile(run_file(run, "*.h5"))
    shape = (file.grid.num_images, *file.image_shape)
    return write_images(folder, file.blocks(BATCH), shape=shape, progress=progress)


def write_images(
    folder: Path,
    blocks: Iterable[np.ndarray],
    *,
    shape: tuple[int, int, int, int],
    binary: bool = False,
    progress: Progress | None = None,
    provenance: dict[str, str] | None = None,
) -> ImagesResult:
    """Write blocks of images as `write_pixels` does, and return what a manifest records about them."""

    def report(written: int, total: int) -> None:
        if progress is not None:
            progress.report(written, total, "images")

    images = write_pixels(folder, blocks, shape=shape, binary=binary, report=report)
    return ImagesResult(images=shape[0], sha256=sha256_of(images), provenance=provenance)


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
