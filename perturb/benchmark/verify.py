"""Verify a benchmark file pixel by pixel against its originals."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perturb.benchmark.originals import originals
from perturb.datasets import GroundTruth
from perturb.datasets.hdf5.layouts import WHITE, labels
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.datasets.hdf5.schema import BATCH
from perturb.errors import UserError
from perturb.perturbation.bounds import largest_step


@dataclass(frozen=True)
class Verified:
    """The properties of a file that passed verification."""

    images: int
    largest_change: int
    """The largest change of a pixel from the original, in grey levels of 255."""
    changed_share: float
    """Share of the pixel values that changed, each channel counted on its own, in [0, 1]."""


def verify(
    path: Path, ground_truth: GroundTruth, *, report: Callable[[int, int], None] = lambda done, total: None
) -> Verified:
    """Check completeness, layout, labels and, for every stored pixel, the bound ε, streaming.

    Args:
        path: path of the file.
        ground_truth: the originals.
        report: called with (images checked, total images).

    Raises:
        UserError: a check fails; the message names the first failure.

    """
    stored = BenchmarkFile(path)
    shape = ground_truth.image_shape
    if (stored.layout, stored.grid.sizes, stored.image_shape) != (ground_truth.layout, ground_truth.grid.sizes, shape):
        raise UserError(
            f"{path}: must have the grid {ground_truth.grid.sizes} and images {shape} of {ground_truth.name}, got "
            f"{stored.grid.sizes} and {stored.image_shape}; make or download it again."
        )
    found = stored.read_labels()
    for name, expected in labels(stored.keys, ground_truth).items():
        if not np.array_equal(found[name], expected):
            raise UserError(f"{path}: `{name}` must list the factors of {ground_truth.name} in grid order.")
    return _check_pixels(stored, ground_truth, report)


def _check_pixels(stored: BenchmarkFile, ground_truth: GroundTruth, report: Callable[[int, int], None]) -> Verified:
    path, epsilon = stored.path, stored.epsilon
    allowed, scale, digest = largest_step(epsilon), WHITE // stored.white, hashlib.sha256()
    total, largest, changed, pixels = ground_truth.grid.num_images, 0, 0, 0
    for start, read in zip(range(0, total, BATCH), stored.blocks(BATCH), strict=True):
        numbers = np.arange(start, start + len(read))
        originals = ground_truth.images(numbers).astype(np.int16)
        digest.update(read.data)
        change = np.abs(scale * read.astype(np.int16) - originals)
        largest = max(largest, int(change.max()))
        if largest > allowed:
            first = start + int(np.flatnonzero((change > allowed).reshape(len(numbers), -1).any(axis=1))[0])
            raise UserError(
                f"{path}: image {first} differs from the original by {largest} grey levels, and ε = {epsilon:g} allows "
                f"{allowed}; make or download the file again."
            )
        changed, pixels = changed + int((change > 0).sum()), pixels + change.size
        report(start + len(numbers), total)
    if stored.images_sha256 != digest.hexdigest():
        promised = stored.images_sha256 or "among its attributes"
        raise UserError(
            f"{path}: the sha256 of its images must be {promised}, got {digest.hexdigest()}; "
            "make or download the file again."
        )
    return Verified(total, largest, changed / pixels)


def verify_file(
    path: Path, *, origin: Path | None = None, report: Callable[[int, int], None] = lambda done, total: None
) -> Verified:
    """Check a file against the originals that its attributes name.

    Args:
        path: path of the file.
        origin: the official file, if the originals came from one; None: the renderer.
        report: called with (images checked, total images).

    Raises:
        UserError: a check fails, the originals are not those of the file, or images unpacked next to it are damaged.

    """
    file = BenchmarkFile(path)
    verified = verify(path, originals(path, file.name, file.source, origin), report=report)
    file.require_sound_cache()
    return verified
