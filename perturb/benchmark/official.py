"""A ground truth as the file that its authors publish: for code that reads nothing else.

HDF5 files take the official keys; binary images are 0 and 1 in them, as in dSprites' own.
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
    """Write what a dataset's key names: a rendered ground truth in its official layout, or samples of a synthetic set.

    Args:
        path: of the file.
        name: key in DATASETS or in SYNTHETIC.
        seed: of the samples; what is rendered needs none.
        report: told (images written, images in all).

    Raises:
        UserError: the name is unknown, or of a dataset without a renderer; or as `write_official` and `write_vectors`.

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
        path: ends in .h5 or .hdf5, or, of dSprites, in .npz.
        truth: a renderer, or an official file.
        report: told (images written, images in all).

    Raises:
        UserError: another ending, or a disk that is full.

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
    """Images as the official file has them: binary ones are 0 and 1."""
    images = truth.images(numbers)
    return images // WHITE if truth.binary else images


def write_vectors(path: Path, made: Synthetic, *, seed: int) -> None:
    """Write 50,000 samples as an archive of two arrays.

    `observations` is float32 (50000, dimensions) and `factors` float64 (50000, 2), row by row the same samples.

    Args:
        path: ends in .npz.
        made: the set.
        seed: of the samples.

    Raises:
        UserError: another ending, or a place that cannot be written to.

    """
    if path.suffix != ".npz":
        raise UserError(f"--out must end in .npz for {made.name}, got {path.name}.")
    factors, observations = made.sample(seed)
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, observations=observations, factors=factors)
