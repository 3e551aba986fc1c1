"""Benchmark files in run directories."""

from dataclasses import dataclass

from pydantic import Field

from perturb.config import DatasetConfig, PublishedRecipe, Section
from perturb.config.perturbation import Bound
from perturb.variants import Variant


class FileRun(Section):
    """The run that writes a benchmark file."""

    dataset: DatasetConfig
    variant: Variant
    epsilon: float
    bound: Bound
    seed: int
    """Seed for drawing noise."""
    published: PublishedRecipe | None = Field(default=None, exclude_if=lambda published: published is None)
    """The recipe that the file is made from; None: the run writes its own."""


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """The result of writing and verifying one file."""

    files: dict[str, str]
    """SHA-256 of the file, its recipe and its weights, by file name."""
    sha256: str
    """SHA-256 of the HDF5 file, in hexadecimal."""
    largest_change: int
    """The largest change of a pixel, in grey levels."""
    changed_share: float
    """Share of the pixel values that changed, each channel counted on its own."""
    variance: float | None = None
    """Stored variance of matched noise, in units of ε²; None for other variants."""
    wanted: dict[str, float] | None = None
    """The variance that it was matched to, in the same units."""
