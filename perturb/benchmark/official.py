"""Write a ground truth in the layout of its authors' file, for code that reads no other.

HDF5 files use the official keys; binary images hold 0 and 1, as in dSprites' own file.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from perturb import __version__
from perturb.benchmark.archive import sprites_metadata, write_archive
from perturb.datasets import DATASETS, GroundTruth, renderer_of
from perturb.datasets.hdf5.layouts import LAYOUTS, WHITE, image_shape, labels
from perturb.datasets.hdf5.schema import BATCH, source
from perturb.datasets.hdf5.writer import write_benchmark_file
from perturb.datasets.synthetic import SYNTHETIC, Synthetic
from perturb.errors import UserError, not_among
from perturb.files import atomic_write

Report = Callable[[int, int], None]


def write_named(path: Path, name: str, *, seed: int = 0, report: Report = lambda done, total: None) -> None:
    """Write a dataset by its key: a rendered ground truth in its official layout, or samples of a synthetic set.

    Args:
        path: path of the file.
        name: key in DATASETS or in SYNTHETIC.
        seed: seed for the samples; rendering needs none.
        report: called with (images written, total images).

    Raises:
        UserError: the name is unknown, or the dataset has no renderer; or as for `write_official` and `write_vectors`.

    """
    if name in SYNTHETIC:
        write_vectors(path, SYNTHETIC[name], seed=seed)
    elif name in DATASETS:
        write_official(path, renderer_of(name), report=report)
    else:
        raise UserError(f"dataset {not_among([name], [*DATASETS, *SYNTHETIC])}.")


def write_official(path: Path, truth: GroundTruth, *, report: Report = lambda done, total: None) -> None:
    """Write all images and labels of a ground truth in its official layout.

    Args:
        path: path of the file, ending in .h5 or .hdf5, or for dSprites also in .npz.
        truth: a renderer, or an official file.
        report: called with (images written, total images).

    Raises:
        UserError: the path has another ending, or the disk is full.

    """
    endings = [".h5", ".hdf5"] + [".npz"] * (truth.layout == "dsprites")
    if path.suffix not in endings:
        raise UserError(f"--out must end in {', '.join(endings)} for {truth.name}, got {path.name}.")
    _write_archive(path, truth, report) if path.suffix == ".npz" else _write_hdf5(path, truth, report)


def _write_hdf5(path: Path, truth: GroundTruth, report: Report) -> None:
    attributes = {
        "variant": "original",
        "epsilon": 0.0,
        "source": source(truth),
        "white": 1 if truth.binary else WHITE,
        "perturb_version": __version__,
    }
    write_benchmark_file(path, truth, lambda numbers: _levels(truth, numbers), attributes=attributes, report=report)


def _write_archive(path: Path, truth: GroundTruth, report: Report) -> None:
    layout, total = LAYOUTS[truth.layout], truth.grid.num_images
    shape = (total, *image_shape(layout, truth))
    others = labels(layout, truth) | {"metadata": sprites_metadata(truth.name, truth.grid, truth.factor_values)}
    write_archive(path, layout.images, shape, np.dtype(np.uint8), _blocks(truth, report), others)


def _blocks(truth: GroundTruth, report: Report) -> Iterator[np.ndarray]:
    total = truth.grid.num_images
    for start in range(0, total, BATCH):
        numbers = np.arange(start, min(start + BATCH, total))
        yield _levels(truth, numbers)
        report(start + len(numbers), total)


def _levels(truth: GroundTruth, numbers: np.ndarray) -> np.ndarray:
    """Return images with the official file's values: binary images hold 0 and 1."""
    images = truth.images(numbers)
    return images // WHITE if truth.binary else images


def write_vectors(path: Path, made: Synthetic, *, seed: int) -> None:
    """Write 50,000 samples as an archive of two arrays.

    `observations` is float32 (50000, dimensions) and `factors` float64 (50000, 2); their rows are the same samples.

    Args:
        path: path of the file, ending in .npz.
        made: the synthetic set.
        seed: seed for the samples.

    Raises:
        UserError: the path has another ending, or cannot be written to.

    """
    if path.suffix != ".npz":
        raise UserError(f"--out must end in .npz for {made.name}, got {path.name}.")
    factors, observations = made.sample(seed)
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, observations=observations, factors=factors)
