"""Proof, pixel by pixel, that a benchmark file keeps its promise."""

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
    """The largest change of a pixel against the original, in grey levels of 255."""
    changed_share: float
    """Share of the pixels that moved, in [0, 1]."""


def verify(
    path: Path, ground_truth: GroundTruth, *, report: Callable[[int, int], None] = lambda done, total: None
) -> Verified:
    """Check completeness, layout, labels and the bound ε for every stored pixel, streaming.

    Args:
        path: of the file.
        ground_truth: the originals.
        report: told (images checked, images in all).

    Raises:
        UserError: the first thing that is not as promised.

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
        path: of the file.
        origin: the official file, where the originals came from one; None: the renderer.
        report: told (images checked, images in all).

    Raises:
        UserError: the file fails, its originals are not these, or images unpacked beside it are damaged.

    """
    said = BenchmarkFile(path)
    found = verify(path, originals(path, said.name, said.source, origin), report=report)
    said.require_sound_cache()
    return found
