"""The published dSprites and Shapes3D files, read as ground truths.

A file is trusted after three checks: its sha256 is the published one; it has the published keys, shapes and types; and
its labels run through the factor grid in order, so that image numbers correspond to factor tuples. Nothing is ever
unpickled: the `metadata` member of the dSprites archive is not read.
"""

import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.hdf5.reader import array_in
from perturb.datasets.npz import array_in_archive, npy_header
from perturb.datasets.readers.published_file import PublishedFile
from perturb.datasets.renderers import dsprites, shapes3d
from perturb.reading import reading

DSPRITES_URL = "https://github.com/google-deepmind/dsprites-dataset"
DSPRITES_HDF5_SHA256 = "729fa22e884c9c500e1f17415d580746b4c5894fbbb780a1319bbcfa39a745bb"
SHAPES3D_URL = "https://storage.googleapis.com/3d-shapes/3dshapes.h5"
SHAPES3D_SHA256 = "0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785"
BLOCK = 8192
"""Images decoded at a time: 32 MB for dSprites."""


class DSpritesFile(PublishedFile):
    """dSprites from the published .npz or .hdf5 file.

    The published HDF5 file stores its classes in a group, `latents/classes`. Our files use the name of the archive,
    `latents_classes`, which can be read as well.

    Neither file gives access to single images: the archive is one compressed stream, and a chunk of the HDF5 file holds a
    few pixels of 23,040 images. The first call of `images` therefore decodes the whole file, block by block, into one bit
    per pixel (377 MB, about 10 seconds); after that, images can be read equally fast in any order. We know of no published
    sha256 for the .npz: its layout and labels are checked, and its own sha256 is recorded in the provenance.

    Args:
        path: a file named *.npz, *.hdf5 or *.h5.
        check: whether the sha256 must be the published one; the layout is always checked.
        sha256: expected instead of the published one.
        grid: of the file, if not the official one; each factor takes the first of its official values.

    Raises:
        UserError: the file is missing, is not the published one, or has another layout.

    """

    name = "dsprites"
    layout = "dsprites"
    grid = dsprites.GRID
    factor_values = dsprites.FACTOR_VALUES
    url = DSPRITES_URL
    image_shape = (dsprites.SIZE, dsprites.SIZE, 1)
    binary = True

    def __init__(
        self, path: Path, *, check: bool = True, sha256: str | None = None, grid: FactorGrid = dsprites.GRID
    ) -> None:
        self._archive = Path(path).suffix == ".npz"
        published = None if self._archive else DSPRITES_HDF5_SHA256
        super().__init__(path, grid, dsprites.FACTOR_VALUES)
        self._require_digest((sha256 or published) if check else None)
        self._shape = (grid.num_images, dsprites.SIZE, dsprites.SIZE)
        classes = self._archive_classes() if self._archive else self._hdf5_classes()
        expected = np.insert(grid.factors_of(np.arange(grid.num_images)), 0, 0, axis=1)
        if not np.array_equal(classes, expected):
            raise self._unusable("`latents_classes` must run through the grid in order, the last factor fastest")

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, uint8 (n, 64, 64, 1), 0 or 255."""
        return self._unpacked(self._bits, indices)

    @cached_property
    def _bits(self) -> np.ndarray:
        """All images at eight pixels per byte, uint8 (images, 512)."""
        num_images, height, width = self._shape
        bits = np.empty((num_images, height * width // 8), np.uint8)
        start = 0
        for block in self._archive_blocks() if self._archive else self._hdf5_blocks():
            if block.max() > 1:
                raise self._unusable(f"`imgs` must hold 0 and 1 only, got {block.max()}")
            bits[start : start + len(block)] = np.packbits(block.reshape(len(block), -1), axis=1)
            start += len(block)
        return bits

    def _hdf5_classes(self) -> np.ndarray:
        with self._open_hdf5() as file:
            self._hdf5_array(file, "imgs", self._shape, "uint8")
            name = "latents/classes" if "latents/classes" in file else "latents_classes"
            return self._hdf5_array(file, name, (self._shape[0], self.grid.num_factors + 1), "int64")[:]

    def _hdf5_blocks(self) -> Iterator[np.ndarray]:
        """Yield all images in order, uint8 (n, 64, 64), in blocks as long as a chunk, so that each chunk is decoded once."""
        with self._open_hdf5() as file:
            array = array_in(file, "imgs")
            length = array.chunks[0] if array.chunks else BLOCK
            for start in range(0, len(array), length):
                yield array[start : start + length]

    def _archive_classes(self) -> np.ndarray:
        finding = "must be an archive with the arrays `imgs` and `latents_classes`, but cannot be read as one"
        with reading(self.path, self._remedy, finding), zipfile.ZipFile(self.path) as archive:
            with archive.open("imgs.npy") as member:
                self._require("imgs", *npy_header(member), self._shape, "uint8")
            classes = array_in_archive(archive, "latents_classes")
        expected = (self._shape[0], self.grid.num_factors + 1)
        self._require("latents_classes", classes.shape, classes.dtype, expected, "int64")
        return classes

    def _archive_blocks(self) -> Iterator[np.ndarray]:
        """Yield all images in order, uint8 (n, 64, 64), decompressing the member while reading it."""
        num_images, height, width = self._shape
        with zipfile.ZipFile(self.path) as archive, archive.open("imgs.npy") as member:
            npy_header(member)
            for start in range(0, num_images, BLOCK):
                length = min(BLOCK, num_images - start)
                with reading(self.path, self._remedy, f"`imgs` must hold {num_images} images, damaged after {start}"):
                    block = np.frombuffer(member.read(length * height * width), np.uint8).reshape(-1, height, width)
                if len(block) < length:
                    raise self._unusable(f"`imgs` must hold {num_images} images, got {start + len(block)}")
                yield block


class Shapes3DFile(PublishedFile):
    """Shapes3D from the published 3dshapes.h5.

    Images are read from disk at each call, because all of them would take 5.9 GB. The file is chunked and compressed:
    consecutive images are fast to read and scattered ones are slow, so read in order if you need all of them.

    Args:
        path: the HDF5 file.
        check: whether the sha256 must be the published one; the layout is always checked.
        sha256: expected instead of the published one.
        grid: of the file, if not the official one; each factor takes the first of its official values.

    Raises:
        UserError: the file is missing, is not the published one, or has another layout.

    """

    name = "shapes3d"
    layout = "shapes3d"
    grid = shapes3d.GRID
    factor_values = shapes3d.FACTOR_VALUES
    url = SHAPES3D_URL
    image_shape = (shapes3d.SIZE, shapes3d.SIZE, 3)

    def __init__(
        self, path: Path, *, check: bool = True, sha256: str = SHAPES3D_SHA256, grid: FactorGrid = shapes3d.GRID
    ) -> None:
        super().__init__(path, grid, shapes3d.FACTOR_VALUES)
        self._require_digest(sha256 if check else None)
        with self._open_hdf5() as file:
            self._hdf5_array(file, "images", (grid.num_images, *self.image_shape), "uint8")
            labels = self._hdf5_array(file, "labels", (grid.num_images, grid.num_factors), "float64")[:]
        if not np.allclose(labels, self.values_of(np.arange(grid.num_images)), rtol=0.0, atol=1e-6):
            raise self._unusable("`labels` must run through the grid in order, the last factor fastest")

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, in any order and with repetitions, uint8 (n, 64, 64, 3)."""
        numbers, places = np.unique(self.grid.checked(indices), return_inverse=True)
        if len(numbers) == 0:
            return np.empty((0, *self.image_shape), np.uint8)
        first, end = int(numbers[0]), int(numbers[-1]) + 1
        with self._open_hdf5() as file:
            chosen = slice(first, end) if end - first == len(numbers) else numbers
            read = array_in(file, "images")[chosen]
        return read if np.array_equal(places, np.arange(len(read))) else read[places]
