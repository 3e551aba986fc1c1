"""Proof, pixel by pixel, that a benchmark file keeps its promise."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from perturb.benchmark.schema import BATCH, LAYOUTS, WHITE, image_shape, labels
from perturb.datasets import DATASETS, GroundTruth, renderer_of
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
    layout, total = LAYOUTS[ground_truth.layout], ground_truth.grid.num_images
    try:
        with h5py.File(path, "r") as file:
            if not file.attrs.get("complete", False):
                raise UserError(f"{path}: the writing of this file was interrupted; make or download it again.")
            shape = (total, *image_shape(layout, ground_truth))
            if layout.images not in file or file[layout.images].shape != shape:
                raise UserError(f"{path}: dataset `{layout.images}` must have the shape {shape} of {ground_truth.name}.")
            for name, expected in labels(layout, ground_truth).items():
                if name not in file or not np.array_equal(file[name][:], expected):
                    raise UserError(f"{path}: `{name}` must list the factors of {ground_truth.name} in grid order.")
            return _check_pixels(path, file, ground_truth, report)
    except OSError as error:
        raise UserError(f"{path}: cannot be read as HDF5 ({error}); make or download it again.") from None


def _check_pixels(path: Path, file: h5py.File, ground_truth: GroundTruth, report: Callable[[int, int], None]) -> Verified:
    stored, epsilon = file[LAYOUTS[ground_truth.layout].images], float(file.attrs["epsilon"])
    allowed, white = largest_step(epsilon), file.attrs.get("white", WHITE)
    if white not in (1, WHITE):
        raise UserError(f"{path}: attribute `white` must be 1 or {WHITE}, got {white}; make or download the file again.")
    scale = WHITE // int(white)
    total, largest, changed, pixels = ground_truth.grid.num_images, 0, 0, 0
    for start in range(0, total, BATCH):
        numbers = np.arange(start, min(start + BATCH, total))
        originals = ground_truth.images(numbers).astype(np.int16)
        change = np.abs(scale * stored[start : start + len(numbers)].reshape(originals.shape).astype(np.int16) - originals)
        largest = max(largest, int(change.max()))
        if largest > allowed:
            first = start + int(np.flatnonzero((change > allowed).reshape(len(numbers), -1).any(axis=1))[0])
            raise UserError(
                f"{path}: image {first} differs from the original by {largest} grey levels, and ε = {epsilon:g} allows "
                f"{allowed}; make or download the file again."
            )
        changed, pixels = changed + int((change > 0).sum()), pixels + change.size
        report(start + len(numbers), total)
    return Verified(total, largest, changed / pixels)


def verify_against_renderer(path: Path) -> Verified:
    """Check a file against the renderer that its attributes name.

    Raises:
        UserError: the file fails, or was made from an official file, which only that file can vouch for.

    """
    try:
        with h5py.File(path, "r") as file:
            name, source = str(file.attrs.get("dataset", "")), str(file.attrs.get("source", ""))
    except OSError as error:
        raise UserError(f"{path}: cannot be read as HDF5 ({error}); make or download it again.") from None
    if name not in DATASETS:
        raise UserError(f"{path}: attribute `dataset` must be one of {', '.join(DATASETS)}, got {name!r}.")
    if "source=renderer" not in source:
        raise UserError(f"{path}: made from {source}; name the official file in a config's dataset.path and run that.")
    return verify(path, renderer_of(name))
