"""Base class for readers of published files: errors for missing or wrong files, and common reading code."""

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
    """A ground truth with images from a file, or a folder of files, that its authors published.

    Args:
        path: of the file or the folder.
        grid: of the file, if not that of the class; each factor takes the first of its values.
        values: of each factor; None: those of the class.

    """

    url: str
    rendered = True
    """True if perturb has a renderer of the same images."""
    digests: tuple[str, ...] = ("sha256",)
    """Names in hashlib of the digests to compute, in a single pass over the file."""

    def __init__(self, path: Path, grid: FactorGrid | None = None, values: tuple[np.ndarray, ...] | None = None) -> None:
        self.path = Path(path)
        self.grid = type(self).grid if grid is None else grid
        values = type(self).factor_values if values is None else values
        self.factor_values = tuple(column[:size] for column, size in zip(values, self.grid.sizes, strict=True))
        if not self._is_there():
            raise UserError(f"{self.path}: there is no such {self._kind}; get it from {self.url}{self._otherwise}.")

    @classmethod
    def grid_in(cls, path: Path) -> FactorGrid:
        """Return the grid of the file at a path. Most datasets have a single grid, so their files are not opened."""
        return cls.grid

    def provenance(self) -> dict[str, str]:
        """Return `source`, `path_name` (without its folder) and `sha256`."""
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
        """Raise a UserError unless the file has the expected digest. None accepts any file."""
        if expected is not None and self._digests[kind] != expected:
            raise self._unusable(f"{kind} must be {expected}, got {self._digests[kind]}")

    def _unpacked(self, bits: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Return images by number, 0 or 255, given all images at eight pixels per byte, uint8 (images, pixels / 8)."""
        pixels = np.unpackbits(bits[self.grid.checked(indices)], axis=1)
        pixels *= 255
        return pixels.reshape(-1, *self.image_shape)

    def _require(self, name: str, shape: tuple[int, ...], dtype: np.dtype, expected: tuple, kind: str) -> None:
        """Raise a UserError unless an array of the file has the shape and type of the published one."""
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
    """Resize an image, uint8 (height, width) or (height, width, 3), to a square of `size` pixels with Pillow's Lanczos."""
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS))
