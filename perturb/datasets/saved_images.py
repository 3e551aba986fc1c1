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
    """Their number."""
    sha256: str
    """Of the file that they are mapped from."""
    provenance: dict[str, str] | None = None
    """What made the images of a ground truth; None for those of a benchmark file."""
