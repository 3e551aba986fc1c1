"""MNIST (LeCun et al. 1998) and FashionMNIST (Xiao et al. 2017), each published as four IDX files.

They have classes but no factors, so they are samples rather than ground truths. Both use the same format and file names, so
only the folder distinguishes one dataset from the other.
"""

import gzip
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from perturb.datasets.samples import Samples
from perturb.errors import UserError
from perturb.reading import opened, reading

SIZE, CLASSES = 28, 10
PARTS = "train", "t10k"
"""Names of the published splits. The thesis splits all images again (3.3.1), and so does `Samples.part`."""
REMEDY = "put the four published files of MNIST or FashionMNIST there, as they are or unpacked"
LARGEST = 1 << 30
"""Maximum bytes of values in a file; MNIST has 47 million."""
BLOCK = 1 << 24
"""Bytes read at a time."""
UINT8 = 0x08
"""The IDX type code of unsigned bytes, the only type in these datasets."""
GZIP = b"\x1f\x8b"
Stream = IO[bytes] | gzip.GzipFile


def read_mnist(folder: Path) -> Samples:
    """Read all images of MNIST or FashionMNIST, `train` first, uint8 (n, 28, 28, 1), and their classes, uint8 (n,).

    Args:
        folder: with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte,
            each compressed (.gz) or not. Names such as train-images.idx3-ubyte, which some programs unpack to, also work.

    Raises:
        UserError: a file is missing or is not what its name says, the numbers of images and labels differ, or a label is not
            a class.

    """
    images, labels = [], []
    for part in PARTS:
        image_file, label_file = _file(folder, f"{part}-images", 3), _file(folder, f"{part}-labels", 1)
        images.append(read_idx(image_file, (SIZE, SIZE)))
        labels.append(read_idx(label_file, ()))
        if len(images[-1]) != len(labels[-1]):
            raise UserError(
                f"{label_file}: must have a label for each of {len(images[-1])} images, got {len(labels[-1])}; {REMEDY}."
            )
        if (largest := labels[-1].max(initial=0)) >= CLASSES:
            raise UserError(f"{label_file}: labels must be 0 … {CLASSES - 1}, got {largest}; {REMEDY}.")
    return Samples(np.concatenate(images)[..., None], np.concatenate(labels))


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read the rows of an IDX file of unsigned bytes, compressed by gzip or not, uint8 (n, *shape).

    Args:
        path: of the file.
        shape: of a row.

    Raises:
        UserError: the file does not exist, is not an IDX file, has rows of another shape, has fewer or more rows than its
            header states, or is damaged.

    """
    with reading(path, REMEDY, "is damaged"), _unpacked(path) as stream:
        rows = _announced_rows(path, stream, shape)
        done, blocks = 0, []
        total = rows * math.prod(shape)
        while done < total and (block := stream.read(min(BLOCK, total - done))):
            blocks.append(np.frombuffer(block, np.uint8))
            done += len(block)
        if done < total:
            raise UserError(f"{path}: must have {total:,} values by its header, and ends after {done:,}; {REMEDY}.")
        if stream.read(1):
            raise UserError(f"{path}: must have {total:,} values by its header, and goes on after them; {REMEDY}.")
    return np.concatenate([np.empty(0, np.uint8), *blocks]).reshape(rows, *shape)


def _file(folder: Path, name: str, dimensions: int) -> Path:
    whole = f"{name}-idx{dimensions}-ubyte"
    for file in (folder / f"{whole}.gz", folder / whole, folder / f"{name}.idx{dimensions}-ubyte"):
        if file.is_file():
            return file
    raise UserError(f"{folder}: {whole} or {whole}.gz must be in it; {REMEDY}.")


@contextmanager
def _unpacked(path: Path) -> Iterator[Stream]:
    with opened(path) as file:
        packed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        if not packed:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as stream:
            yield stream


def _announced_rows(path: Path, stream: Stream, shape: tuple[int, ...]) -> int:
    """Read the number of rows from a header: two zero bytes, type code, number of dimensions, then each as a uint32."""
    dimensions = 1 + len(shape)
    magic, wanted = stream.read(4), bytes((0, 0, UINT8, dimensions))
    if magic != wanted:
        raise UserError(f"{path}: must begin with the bytes {wanted.hex(' ')}, got {magic.hex(' ') or 'nothing'}; {REMEDY}.")
    header = stream.read(4 * dimensions)
    if len(header) < 4 * dimensions:
        raise UserError(f"{path}: ends within its header; {REMEDY}.")
    rows, *sizes = np.frombuffer(header, ">u4").tolist()
    if tuple(sizes) != shape:
        raise UserError(f"{path}: rows must be of the shape {shape}, got {tuple(sizes)}; {REMEDY}.")
    if not 1 <= rows <= LARGEST // math.prod(shape):
        raise UserError(f"{path}: must have 1 … {LARGEST // math.prod(shape):,} rows, got {rows:,}; {REMEDY}.")
    return rows
