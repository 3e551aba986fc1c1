"""The interface of a dataset with known factors: a grid of factor values and an image for each of its points.

Images are numbered in mixed radix over the factors, with the last factor varying fastest, as in the official dSprites and
Shapes3D files. Image numbers and factor tuples therefore correspond one to one.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from perturb.datasets.credit import Credit

Image = np.ndarray
"""uint8, (height, width, channels), 0–255."""


@dataclass(frozen=True)
class FactorGrid:
    """Names of the factors and their numbers of values, in the order of the dataset's files."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    unordered: tuple[str, ...] = ()
    """Names of factors with values that have no order, such as shapes."""

    @property
    def num_factors(self) -> int:
        """Number of factors."""
        return len(self.sizes)

    @property
    def num_images(self) -> int:
        """Number of points of the grid."""
        return math.prod(self.sizes)

    def __len__(self) -> int:
        return self.num_images

    def factors_of(self, indices: np.ndarray) -> np.ndarray:
        """Return the factor classes, int64 (n, factors), of image numbers (n,)."""
        return np.stack(np.unravel_index(np.asarray(indices), self.sizes), axis=-1).astype(np.int64)

    def indices_of(self, factors: np.ndarray) -> np.ndarray:
        """Return the image numbers, int64 (n,), of factor classes (n, factors). A class out of range raises ValueError."""
        columns: tuple[np.ndarray, ...] = tuple(np.asarray(factors).T)
        return np.ravel_multi_index(columns, self.sizes).astype(np.int64)

    def checked(self, indices: np.ndarray) -> np.ndarray:
        """Return image numbers as an array. Raise ValueError if one is out of range: NumPy would accept negative ones."""
        numbers = np.asarray(indices)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= self.num_images):
            last = self.num_images - 1
            raise ValueError(f"`indices` must lie in 0 … {last}, got {numbers.min()} … {numbers.max()}.")
        return numbers

    def sample_sharing_factor(self, indices: np.ndarray, factor: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `count` images per given image (m,), all with its value of a factor: int64 (m, count)."""
        size, below = self.sizes[factor], math.prod(self.sizes[factor + 1 :])
        values = np.asarray(indices) // below % size
        above, rest = np.divmod(rng.integers(self.num_images // size, size=(len(values), count)), below)
        return (above * size + values[:, None]) * below + rest

    def scaled(self, indices: np.ndarray) -> np.ndarray:
        """Return factor classes spread evenly over [-1, 1], float32 (n, factors): the input w of m_ψ."""
        spans = np.maximum(np.array(self.sizes) - 1, 1)
        return (2.0 * self.factors_of(indices) / spans - 1.0).astype(np.float32)


class GroundTruth(ABC):
    """A dataset with one image for each point of a factor grid.

    Subclasses must define `grid`, `image_shape` and `images`; everything else has a default.
    """

    name: str
    """Key in DATASETS. Defaults to the class name in lower case."""
    layout: str = "shapes3d"
    """Official file layout of its benchmark files: "dsprites" or "shapes3d"."""
    grid: FactorGrid
    image_shape: tuple[int, int, int]
    """(height, width, channels)."""
    binary: bool = False
    """True if every pixel is either black or white."""
    factor_values: tuple[np.ndarray, ...]
    """Real values of each factor's classes, float64, as in the official files. Defaults to 0, 1, 2, …"""
    credit: Credit | None = None
    """Authors and licence, for datasets in `DATASETS`."""
    code_sha256: str = ""
    """SHA-256 of the file that defines a user's own ground truth."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not hasattr(cls, "name"):
            cls.name = cls.__name__.lower()
        if isinstance(getattr(cls, "grid", None), FactorGrid) and not hasattr(cls, "factor_values"):
            cls.factor_values = tuple(np.arange(float(size)) for size in cls.grid.sizes)

    @abstractmethod
    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return images by number, uint8 (n, height, width, channels), with black 0 and white 255."""

    def provenance(self) -> dict[str, str]:
        """Return the origin of the images: `source` ("renderer", "file" or "code"), and its version or sha256."""
        return {"source": "code", "class": type(self).__name__, "sha256": self.code_sha256}

    def values_of(self, indices: np.ndarray) -> np.ndarray:
        """Return the real factor values, float64 (n, factors), of image numbers (n,)."""
        classes = self.grid.factors_of(indices)
        return np.stack([values[column] for values, column in zip(self.factor_values, classes.T, strict=True)], axis=-1)
