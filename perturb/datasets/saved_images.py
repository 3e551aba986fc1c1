"""Images of a ground truth or of a benchmark file in run directories, laid out so that a training can map them."""

from dataclasses import dataclass

from perturb.config import DatasetConfig, Section


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
