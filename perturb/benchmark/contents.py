"""What a benchmark file says of itself, and its images in order: for whatever is made from files."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.layouts import LAYOUTS, WHITE, Layout
from perturb.errors import UserError


@dataclass(frozen=True)
class Contents:
    """Of one finished benchmark file; no images are held."""

    path: Path
    attributes: Mapping[str, Any]
    """Plain values by name."""
    arrays: Mapping[str, tuple[str, tuple[int, ...]]]
    """Type and shape by name."""
    layout: Layout
    grid: FactorGrid
    values: tuple[np.ndarray, ...]
    """For each factor the real value of each of its classes, float64."""

    @property
    def dataset(self) -> str:
        """Key of the ground truth."""
        return str(self.attributes["dataset"])

    @property
    def variant(self) -> str:
        """original, modified, noise or untrained."""
        return str(self.attributes["variant"])

    @property
    def white(self) -> int:
        """What a stored white pixel is: 1 or 255."""
        return int(self.attributes.get("white", WHITE))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        shape = self.arrays[self.layout.images][1][1:]
        return shape if self.layout.has_channel_axis else (*shape, 1)

    @property
    def pixel_bytes(self) -> int:
        """Of all images, uncompressed."""
        return math.prod(self.arrays[self.layout.images][1])

    def blocks(self, length: int, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Images start … stop - 1 in order as they are stored, uint8 (at most `length`, height, width, channels).

        Raises:
            UserError: the file is damaged.

        """
        stop = self.grid.num_images if stop is None else stop
        try:
            with h5py.File(self.path, "r") as file:
                for first in range(start, stop, length):
                    block = file[self.layout.images][first : min(first + length, stop)]
                    yield block.reshape(len(block), *self.image_shape)
        except OSError as error:
            raise _unreadable(self.path, error) from None

    def read_labels(self) -> dict[str, np.ndarray]:
        """The labels by their names in the file, whole; raises as `blocks`."""
        try:
            with h5py.File(self.path, "r") as file:
                return {name: file[name][:] for name in (self.layout.values, self.layout.classes) if name is not None}
        except OSError as error:
            raise _unreadable(self.path, error) from None


def contents_of(path: Path) -> Contents:
    """Look into a benchmark file.

    Raises:
        UserError: it cannot be read, or is no finished benchmark file.

    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; name a benchmark file.")
    try:
        with h5py.File(path, "r") as file:
            attributes = {name: _plain(value) for name, value in file.attrs.items()}
            arrays = {name: array for name, array in file.items() if isinstance(array, h5py.Dataset)}
            if not attributes.get("complete", False) or not {"dataset", "variant", "epsilon"} <= set(attributes):
                raise UserError(f"{path}: must be a finished benchmark file; make or download it again.")
            if attributes.get("white", WHITE) not in (1, WHITE):
                raise UserError(f"{path}: attribute `white` must be 1 or {WHITE}; make or download the file again.")
            grid = _grid(path, attributes)
            layout = _layout(path, arrays, grid)
            values = _values(arrays[layout.values], layout, grid)
            shapes = {name: (str(array.dtype), tuple(array.shape)) for name, array in arrays.items()}
    except OSError as error:
        raise _unreadable(path, error) from None
    return Contents(path, attributes, shapes, layout, grid, values)


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be read as HDF5 ({error}); make or download it again.")


def _plain(value: Any) -> Any:  # noqa: ANN401
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _grid(path: Path, attributes: Mapping[str, Any]) -> FactorGrid:
    names = tuple(str(attributes.get("factor_names", "")).split(","))
    sizes = str(attributes.get("factor_sizes", "")).split(",")
    if len(names) != len(sizes) or not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise UserError(
            f"{path}: attributes `factor_names` and `factor_sizes` must list the same factors; make or download the file "
            "again."
        )
    return FactorGrid(names, tuple(int(size) for size in sizes))


def _layout(path: Path, arrays: Mapping[str, h5py.Dataset], grid: FactorGrid) -> Layout:
    """The layout whose arrays the file has, with a row for each point of the grid."""
    for layout in LAYOUTS.values():
        images, values = arrays.get(layout.images), arrays.get(layout.values)
        if images is None or values is None or (layout.classes is not None and layout.classes not in arrays):
            continue
        has_images = images.dtype == np.uint8 and images.ndim == 3 + layout.has_channel_axis
        has_rows = len(images) == grid.num_images and values.shape == (len(images), grid.num_factors + layout.has_colour)
        if has_images and has_rows:
            return layout
    raise UserError(
        f"{path}: must hold the images and labels of a grid of {grid.num_images:,} points, as dSprites or Shapes3D do; make "
        "or download the file again."
    )


def _values(labels: h5py.Dataset, layout: Layout, grid: FactorGrid) -> tuple[np.ndarray, ...]:
    """Read off the rows in which all other factors have their first value."""
    found = []
    for column, size in enumerate(grid.sizes):
        factors = np.zeros((size, grid.num_factors), np.int64)
        factors[:, column] = np.arange(size)
        rows = grid.indices_of(factors)
        found.append(np.array([labels[int(row), column + layout.has_colour] for row in rows], np.float64))
    return tuple(found)
