"""Benchmark files of any variant, read as ground truths, and an uncompressed cache beside them for fast random access.

Without a cache, images are decompressed from chunks of 16, which is fine for sequential access. Training draws images at
random and needs the cache: `write_cache` unpacks all images once into a folder beside the file, and from then on they are
memory-mapped from there (perturb/datasets/hdf5/unpacked.py).
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np

from perturb.datasets.ground_truth import FactorGrid, GroundTruth
from perturb.datasets.hdf5.layouts import LAYOUTS, WHITE, Layout
from perturb.datasets.hdf5.unpacked import BATCH, MANIFEST, cache_of, holds, is_damaged, open_cache, unpack
from perturb.datasets.pixels import Pixels
from perturb.errors import UserError
from perturb.files import sha256_of
from perturb.proofs import proved
from perturb.reading import UNREADABLE, attributes_of, opened_hdf5

REMEDY, DAMAGED = "make or download it again", "is damaged"
STATED_TWICE = ("dataset", "source", "variant", "epsilon", "bound", "run", "config_hash")
"""Keys that occur both among a file's attributes and in its attribute `recipe`."""
LARGEST_CHUNK = 1 << 26
"""Maximum size of an unpacked chunk, in bytes."""
MOST_COMPRESSED = 2_000
"""Maximum compression ratio; gzip reaches 1,032. An array that exceeds it was never written in full."""
MOST_FACTORS = 32


class BenchmarkFile(GroundTruth):
    """Reader of a benchmark file: its images, grid, labels and metadata.

    In addition to what every ground truth has, there are `attributes` (plain values by name), `arrays` (type and shape by
    name), `keys` (which array holds what), `variant`, `epsilon`, `white` (value of a stored white pixel: 1 or 255), `source`
    (origin of the original images) and `images_sha256`. Images are not kept in memory.

    Args:
        path: of the HDF5 file.

    Raises:
        UserError: the file is not a complete benchmark file, or is inconsistent.

    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f"{self.path}: there is no such file; name a benchmark file.")
        with opened_hdf5(self.path, REMEDY) as file:
            self._read_header(file)

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, in any order and with repetitions, uint8 (n, height, width, channels), white 255."""
        wanted = self.grid.checked(indices)
        if self.cache is not None:
            return self.cache.images(wanted)
        numbers, places = np.unique(wanted, return_inverse=True)
        if len(numbers) == 0:
            return np.empty((0, *self.image_shape), np.uint8)
        first, end = int(numbers[0]), int(numbers[-1]) + 1
        chosen = slice(first, end) if end - first == len(numbers) else numbers
        with opened_hdf5(self.path, REMEDY, DAMAGED) as file:
            read = array_in(file, self.keys.images)[chosen]
        return (read if self.white == WHITE else read * np.uint8(WHITE))[places].reshape(-1, *self.image_shape)

    @property
    def pixel_bytes(self) -> int:
        """Uncompressed size of all images, in bytes."""
        return self.grid.num_images * math.prod(self.image_shape)

    @cached_property
    def cache(self) -> Pixels | None:
        """The unpacked images, verified to be those of this file; None if there are none or they are damaged."""
        return open_cache(self)

    def all_images(self) -> Iterator[np.ndarray]:
        """Yield all images in order, uint8 (at most 1,024, height, width, channels), white 255, read from the file itself.

        Raises:
            UserError: the file is damaged. After the last image: their hash is not `images_sha256`.

        """
        digest = hashlib.sha256()
        for block in self.blocks(BATCH):
            digest.update(np.ascontiguousarray(block).data)
            yield block if self.white == WHITE else block * np.uint8(WHITE)
        if digest.hexdigest() != self.images_sha256:
            promised = self.images_sha256 or "among its attributes"
            raise self._unusable(f"the sha256 of its images must be {promised}, got {digest.hexdigest()}")

    def prove(self) -> None:
        """Verify all images that are read, unpacked or not, against `images_sha256`, once per process.

        Raises:
            UserError: the file is damaged.

        """
        if self.cache is None:
            proved(self.path, f"images {self.images_sha256}", lambda: all(len(block) for block in self.all_images()))

    def require_unchanged(self) -> None:
        """Verify the images again if their file has been written to since they were verified.

        Raises:
            UserError: the images have changed, so those that were read may have been wrong.

        """
        if self.cache is None:
            self.prove()
        elif not holds(self.cache, self):
            raise UserError(
                f"{cache_of(self.path)}: this program or another one wrote to it while its images were being read, so the "
                "results cannot be trusted; run it again, and the images will be unpacked anew."
            )

    def require_sound_cache(self) -> None:
        """Raise a UserError if the unpacked images beside the file are damaged."""
        if is_damaged(self):
            raise UserError(
                f"{cache_of(self.path)}: these unpacked images are damaged, and {self.path.name} itself is as promised; "
                f"`perturb dataset cache {self.path}` makes them again."
            )

    def blocks(self, length: int, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield images start … stop - 1 in order, as stored, uint8 (at most `length`, height, width, channels).

        Raises:
            UserError: the file is damaged.

        """
        stop = self.grid.num_images if stop is None else stop
        with opened_hdf5(self.path, REMEDY, DAMAGED) as file:
            for first in range(start, stop, length):
                block = array_in(file, self.keys.images)[first : min(first + length, stop)]
                yield block.reshape(len(block), *self.image_shape)

    def read_labels(self) -> dict[str, np.ndarray]:
        """Return all labels by their names in the file. Raises as `blocks` does."""
        with opened_hdf5(self.path, REMEDY, DAMAGED) as file:
            return {name: array_in(file, name)[:] for name in self.keys.labels}

    def provenance(self) -> dict[str, str]:
        """Return `source`, `path_name` (without its folder), `variant` and `sha256`."""
        return {
            "source": "benchmark file",
            "path_name": self.path.name,
            "variant": self.variant,
            "sha256": sha256_of(self.path),
        }

    def _read_header(self, file: h5py.File) -> None:
        attributes = self.attributes = attributes_of(file)
        if any(np.ndim(value) for value in attributes.values()) or not attributes.get("complete", False):
            raise self._unusable("its attribute `complete` is not set: it is no benchmark file, or was not finished")
        self.name, self.variant = str(attributes.get("dataset", "")), str(attributes.get("variant", ""))
        if not (self.name and self.variant):
            raise self._unusable("attributes `dataset` and `variant` must say what it is")
        self.source, self.images_sha256 = str(attributes.get("source", "")), str(attributes.get("images_sha256", ""))
        white, epsilon = attributes.get("white", WHITE), attributes.get("epsilon")
        if white not in (1, WHITE):
            raise self._unusable(f"attribute `white` must be 1 or {WHITE}, got {white}")
        self.white = int(white)
        if not isinstance(epsilon, float) or not 0 <= epsilon <= 1:
            raise self._unusable(f"attribute `epsilon` must be a number in [0, 1], got {epsilon}")
        self.epsilon = epsilon
        self.grid = self._grid_in(attributes)
        self.layout = next((key for key, layout in LAYOUTS.items() if layout.images in file), "")
        if not self.layout:
            raise self._unusable(f"must have one of the arrays {', '.join(x.images for x in LAYOUTS.values())}")
        self.keys, self.arrays = LAYOUTS[self.layout], arrays_of(file)
        images = self._array(file, self.keys.images, np.uint8)
        self.image_shape = images.shape[1:] if self.keys.has_channel_axis else (*images.shape[1:], 1)
        if len(self.image_shape) != 3 or len(images) != self.grid.num_images:
            raise self._unusable(f"`{self.keys.images}` must hold {self.grid.num_images} images, got {images.shape}")
        self.factor_values = self._values_in(file, self.keys)
        self._check_recipe(attributes)

    def _check_recipe(self, attributes: dict[str, Any]) -> None:
        """Require that the attribute `recipe` agrees with the other attributes."""
        try:
            recipe = json.loads(str(attributes.get("recipe", "")))
        except (ValueError, RecursionError):
            return
        for key in STATED_TWICE if isinstance(recipe, dict) else ():
            if key in recipe and key in attributes and recipe[key] != attributes[key]:
                raise self._unusable(
                    f"its attribute `{key}` must be {recipe[key]}, as in the recipe that it carries, got {attributes[key]}"
                )

    def _grid_in(self, attributes: dict[str, Any]) -> FactorGrid:
        names = tuple(str(attributes.get("factor_names", "")).split(","))
        try:
            sizes = tuple(int(size) for size in str(attributes.get("factor_sizes", "")).split(","))
        except ValueError:
            sizes = ()
        if len(names) != len(sizes) or not 0 < len(sizes) <= MOST_FACTORS or min(sizes) < 1:
            raise self._unusable(
                "attributes `factor_names` and `factor_sizes` must name each factor and its number of values"
            )
        unordered = tuple(name for name in str(attributes.get("unordered_factors", "")).split(",") if name in names)
        return FactorGrid(names, sizes, unordered)

    def _values_in(self, file: h5py.File, layout: Layout) -> tuple[np.ndarray, ...]:
        """Read the values of each factor's classes, with all other factors at their first value."""
        labels = {name: self._array(file, name, kind) for name, kind in layout.labels.items()}
        for name, array in labels.items():
            if array.shape != (self.grid.num_images, self.grid.num_factors + layout.has_colour):
                raise self._unusable(f"`{name}` must have a row an image and a column a factor, got {array.shape}")
        rows, values = labels[layout.values][:, layout.has_colour :], []
        for factor, size in enumerate(self.grid.sizes):
            classes = np.zeros((size, self.grid.num_factors), np.int64)
            classes[:, factor] = np.arange(size)
            values.append(rows[self.grid.indices_of(classes), factor])
        self.factor_values = tuple(values)
        if not np.array_equal(rows, self.values_of(np.arange(self.grid.num_images))):
            raise self._unusable(f"`{layout.values}` must run through the grid in order, the last factor fastest")
        return self.factor_values

    def _array(self, file: h5py.File, name: str, dtype: type) -> h5py.Dataset:
        """Return an array that is stored in this file itself."""
        array = file.get(name) if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
        if (
            not isinstance(array, h5py.Dataset)
            or (array.external or array.is_virtual or array.shape is None)
            or array.dtype != dtype
        ):
            raise self._unusable(f"must have the array `{name}` of type {np.dtype(dtype)} in itself")
        if array.chunks and np.prod(array.chunks, dtype=float) * array.dtype.itemsize > LARGEST_CHUNK:
            raise self._unusable(f"chunks of `{name}` must have at most {LARGEST_CHUNK} bytes, got {array.chunks} values")
        if array.id.get_storage_size() * MOST_COMPRESSED < array.nbytes:
            raise self._unusable(
                f"`{name}` must be there in full, and most of its {array.nbytes:,} bytes were never written"
            )
        return array

    def _unusable(self, finding: str) -> UserError:
        return UserError(f"{self.path}: {finding}; {REMEDY}.")


def arrays_of(file: h5py.File) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return type and shape of the arrays of any HDF5 file, by name. Links into other files are not followed."""
    names: Iterable[str] = file.keys()
    own = ((name, file[name]) for name in names if isinstance(file.get(name, getlink=True), h5py.HardLink))
    arrays = {name: item for name, item in own if isinstance(item, h5py.Dataset)}
    return {name: (_type_of(array), tuple(array.shape or ())) for name, array in arrays.items()}


def _type_of(array: h5py.Dataset) -> str:
    try:
        return str(array.dtype)
    except Exception:  # h5py's type mapping can raise anything that numpy raises
        return UNREADABLE


def array_in(file: h5py.File, name: str) -> h5py.Dataset:
    """Return an array that a file is known to hold. According to h5py's types, the name could also be that of a group."""
    return cast("h5py.Dataset", file[name])


def is_benchmark_file(path: Path) -> bool:
    """Return whether a file is a benchmark file, complete or not.

    Raises:
        UserError: it is HDF5 but cannot be opened, because its writer was killed or it is truncated.

    """
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with opened_hdf5(path, REMEDY) as file:
        return {"format_version", "images_sha256"} <= set(file.attrs)


def write_cache(path: Path, *, report: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Unpack all images of a benchmark file into a folder beside it, unless an intact cache exists; return the folder.

    Args:
        path: of the file.
        report: called with (images unpacked, total images).

    Raises:
        UserError: the file is not a benchmark file or is damaged, or the disk has too little space.

    """
    file = BenchmarkFile(path)
    return unpack(file, report) if file.cache is None else cache_of(path)


__all__ = [
    "MANIFEST", "BenchmarkFile", "array_in", "arrays_of", "attributes_of", "cache_of", "is_benchmark_file", "write_cache",
]  # fmt: skip
