"""Benchmark files in run directories."""

from dataclasses import dataclass

from perturb.config import DatasetConfig, Section
from perturb.config.perturbation import Bound
from perturb.variants import Variant


class FileRun(Section):
    """A benchmark file."""

    dataset: DatasetConfig
    variant: Variant
    epsilon: float
    bound: Bound
    seed: int
    """The seed that noise is drawn by."""


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """The result of writing and verifying one file."""

    files: dict[str, str]
    """SHA-256 of the file, its recipe and its weights, by their names."""
    sha256: str
    """SHA-256 of the HDF5 file, in hexadecimal."""
    largest_change: int
    """The most grey levels by which a pixel moved."""
    changed_share: float
    """Share of the pixels that moved."""
    variance: float | None = None
    """Stored variance of matched noise, in units of ε²; None for other variants."""
    wanted: dict[str, float] | None = None
    """The variance to which it was matched, in the same units."""
