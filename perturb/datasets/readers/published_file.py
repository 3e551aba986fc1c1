"""The base of readers of published files: errors for a missing or another file, and reading in parts."""

from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from perturb.datasets.ground_truth import FactorGrid, GroundTruth
from perturb.errors import UserError
from perturb.files import digests_of
from perturb.reading import opened_hdf5


class PublishedFile(GroundTruth):
    """A ground truth whose images are a file, or a folder of files, of its authors.

    Args:
        path: of the file or the folder.
        grid: instead of the class's own; the first values of each factor are meant.
        values: of each factor; None: the class's own.

    """

    url: str
    rendered = True
    """True if perturb has a renderer of the same images."""
    digests: tuple[str, ...] = ("sha256",)
    """Names in hashlib of what is computed of the file, in one reading of it."""

    def __init__(self, path: Path, grid: FactorGrid | None = None, values: tuple[np.ndarray, ...] | None = None) -> None:
        self.path = Path(path)
        self.grid = type(self).grid if grid is None else grid
        values = type(self).factor_values if values is None else values
        self.factor_values = tuple(column[:size] for column, size in zip(values, self.grid.sizes, strict=True))
        if not self._is_there():
            raise UserError(f"{self.path}: there is no such {self._kind}; get it from {self.url}{self._otherwise}.")

    @classmethod
    def grid_in(cls, path: Path) -> FactorGrid:
        """The grid of the file at a path; files of most datasets have the same one, and are not opened for it."""
        return cls.grid

    def provenance(self) -> dict[str, str]:
        """`source`, `path_name` (without its folder), `sha256`."""
        return {"source": "file", "path_name": self.path.name, "sha256": self._digests["sha256"]}

    @cached_property
    def _digests(self) -> dict[str, str]:
        return digests_of(self.path, self.digests)

    _kind = "file"

    def _is_there(self) -> bool:
        return self.path.is_file()

    @property
    def _otherwise(self) -> str:
        if not self.rendered:
            return ""
        return ", or leave out the path in the [dataset] section to render the images instead"

    @property
    def _remedy(self) -> str:
        return f"get the {self._kind} again from {self.url}{self._otherwise}"

    def _unusable(self, finding: str) -> UserError:
        return UserError(f"{self.path}: {finding}; {self._remedy}.")

    def _require_digest(self, expected: str | None, kind: str = "sha256") -> None:
        """Raise unless the file is the one that is expected; None: any."""
        if expected is not None and self._digests[kind] != expected:
            raise self._unusable(f"{kind} must be {expected}, got {self._digests[kind]}")

    def _unpacked(self, bits: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Images by number, 0 or 255, out of all images with eight pixels to a byte, uint8 (images, pixels / 8)."""
        pixels = np.unpackbits(bits[self.grid.checked(indices)], axis=1)
        pixels *= 255
        return pixels.reshape(-1, *self.image_shape)

    def _require(self, name: str, shape: tuple[int, ...], dtype: np.dtype, expected: tuple, kind: str) -> None:
        """Raise unless an array of the file has the shape and the type that the published one has."""
        if shape != expected or dtype != np.dtype(kind):
            raise self._unusable(f"`{name}` must be {np.dtype(kind)} {expected}, got {dtype} {shape}")

    def _open_hdf5(self) -> AbstractContextManager[h5py.File]:
        return opened_hdf5(self.path, self._remedy, "must be an HDF5 file, but cannot be read as one")

    def _hdf5_array(self, file: h5py.File, name: str, expected: tuple[int, ...], kind: str) -> h5py.Dataset:
        array = file.get(name)
        if not isinstance(array, h5py.Dataset):
            raise self._unusable(f"must have the array `{name}`, got {sorted(file)}")
        self._require(name, array.shape, array.dtype, expected, kind)
        return array


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """An image, uint8 (height, width) or (height, width, 3), as a square of `size` pixels, by Lanczos as others do it."""
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS))
