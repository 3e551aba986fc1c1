"""Proof, pixel by pixel, that a benchmark file keeps its promise."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from perturb.benchmark.originals import originals
from perturb.benchmark.schema import BATCH
from perturb.datasets import GroundTruth
from perturb.datasets.benchmark_file import BenchmarkFile
from perturb.datasets.layouts import LAYOUTS, WHITE, labels
from perturb.errors import UserError
from perturb.perturbation.bounds import largest_step


@dataclass(frozen=True)
class Verified:
    """What was found in a file that passed."""

    images: int
    largest_change: int
    """Of any pixel against the original, in grey levels of 255."""
    changed_share: float
    """Of the pixels."""


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
    layout, shape = LAYOUTS[ground_truth.layout], ground_truth.image_shape
    if (stored.layout, stored.grid.sizes, stored.image_shape) != (ground_truth.layout, ground_truth.grid.sizes, shape):
        raise UserError(
            f"{path}: must have the grid {ground_truth.grid.sizes} and images {shape} of {ground_truth.name}, got "
            f"{stored.grid.sizes} and {stored.image_shape}; make or download it again."
        )
    try:
        with h5py.File(path, "r") as file:
            for name, expected in labels(layout, ground_truth).items():
                if name not in file or not np.array_equal(file[name][:], expected):
                    raise UserError(f"{path}: `{name}` must list the factors of {ground_truth.name} in grid order.")
            return _check_pixels(path, file, ground_truth, report)
    except OSError as error:
        raise UserError(f"{path}: is damaged ({error}); make or download it again.") from None


def _check_pixels(path: Path, file: h5py.File, ground_truth: GroundTruth, report: Callable[[int, int], None]) -> Verified:
    stored, epsilon = file[LAYOUTS[ground_truth.layout].images], _epsilon(path, file)
    allowed, scale, digest = largest_step(epsilon), WHITE // int(file.attrs.get("white", WHITE)), hashlib.sha256()
    total, largest, changed, pixels = ground_truth.grid.num_images, 0, 0, 0
    for start in range(0, total, BATCH):
        numbers = np.arange(start, min(start + BATCH, total))
        originals = ground_truth.images(numbers).astype(np.int16)
        read = stored[start : start + len(numbers)]
        digest.update(read)
        change = np.abs(scale * read.reshape(originals.shape).astype(np.int16) - originals)
        largest = max(largest, int(change.max()))
        if largest > allowed:
            first = start + int(np.flatnonzero((change > allowed).reshape(len(numbers), -1).any(axis=1))[0])
            raise UserError(
                f"{path}: image {first} differs from the original by {largest} grey levels, and ε = {epsilon:g} allows "
                f"{allowed}; make or download the file again."
            )
        changed, pixels = changed + int((change > 0).sum()), pixels + change.size
        report(start + len(numbers), total)
    promised = str(file.attrs.get("images_sha256", ""))
    if promised != digest.hexdigest():
        raise UserError(
            f"{path}: the sha256 of its images must be {promised or 'among its attributes'}, got {digest.hexdigest()}; "
            "make or download the file again."
        )
    return Verified(total, largest, changed / pixels)


def _epsilon(path: Path, file: h5py.File) -> float:
    """The bound that a file promises."""
    epsilon = file.attrs.get("epsilon")
    if not isinstance(epsilon, float) or not 0 <= epsilon <= 1:
        raise UserError(f"{path}: attribute `epsilon` must be a number in [0, 1], got {epsilon}; make or download it again.")
    return float(epsilon)


def verify_file(
    path: Path, *, origin: Path | None = None, report: Callable[[int, int], None] = lambda done, total: None
) -> Verified:
    """Check a file against the originals that its attributes name.

    Args:
        path: of the file.
        origin: the official file, where the originals came from one; None: the renderer.
        report: told (images checked, images in all).

    Raises:
        UserError: the file fails, or its originals are not these.

    """
    name = BenchmarkFile(path).name
    with h5py.File(path, "r") as file:
        made_from = str(file.attrs.get("source", ""))
    return verify(path, originals(path, name, made_from, origin), report=report)
