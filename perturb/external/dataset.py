"""A variant of a benchmark as a torch Dataset."""

import hashlib
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from perturb.datasets import FactorGrid
from perturb.datasets.hdf5.reader import BenchmarkFile, write_cache
from perturb.datasets.pixels import Pixels
from perturb.datasets.splits import numbers_in
from perturb.entries.packaged import recipe_hash
from perturb.errors import UserError
from perturb.external.benchmarks import cache_folder, find_benchmark
from perturb.locks import locked

Transform = Callable[[Tensor], Any]


class BenchmarkImages(Dataset):
    """Images with their factors: item i is (image float32 (channels, height, width) in [0, 1], factors int64 (factors,)).

    Indexing with a slice returns a list of items.

    Further attributes: `name` of the ground truth, `variant`, `grid`, `epsilon`, `image_shape` (channels, height, width),
    `sha256` of all images, `path`, and `numbers`, int64 (items,): each item's image number in the grid.

    Args:
        path: path of a benchmark file. If its images have been unpacked next to it, they are memory-mapped; otherwise they
            are read from the file.
        split: `train`, `valid` or `test` (perturb/datasets/splits.py); None: all images.
        transform: applied to each image; None: unchanged.
        target_transform: applied to each item's factors; None: unchanged.

    Raises:
        UserError: the file cannot be read, or there is no such split.

    """

    def __init__(
        self,
        path: Path,
        split: str | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        self.file = BenchmarkFile(path)
        self.split, self.transform, self.target_transform = split, transform, target_transform
        self.path, self.name, self.variant, self.epsilon = (
            self.file.path,
            self.file.name,
            self.file.variant,
            self.file.epsilon,
        )
        self.grid: FactorGrid = self.file.grid
        height, width, channels = self.file.image_shape
        self.image_shape = (channels, height, width)
        self.sha256, self.recipe_sha256 = self.file.images_sha256, recipe_hash(self.file)
        self.numbers = np.arange(len(self.grid)) if split is None else numbers_in(split, len(self.grid))

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[Tensor, Tensor]]: ...
    def __getitem__(self, index: int | slice) -> tuple[Tensor, Tensor] | list[tuple[Tensor, Tensor]]:
        chosen = range(len(self))[index]
        return self.__getitems__(list(chosen)) if isinstance(chosen, range) else self.__getitems__([chosen])[0]

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, Tensor]]:
        """Return several items at once; DataLoaders call this for each batch."""
        if not indices:
            return []
        numbers = self.numbers[np.asarray(indices)]
        images, factors = self.batch(numbers), torch.from_numpy(self.grid.factors_of(numbers))
        change, change_target = self.transform or _unchanged, self.target_transform or _unchanged
        return [(change(image), change_target(target)) for image, target in zip(images, factors, strict=True)]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path, not gigabytes of pixels, for the workers of a DataLoader."""
        return type(self), (self.path, self.split, self.transform, self.target_transform)

    def images(self, indices: np.ndarray | list[int]) -> np.ndarray:
        """Return images by their numbers in the grid, uint8 (n, height, width, channels)."""
        return self.file.images(np.asarray(indices))

    def batch(self, indices: np.ndarray | list[int]) -> Tensor:
        """Return images by their numbers in the grid, float32 (n, channels, height, width) in [0, 1]."""
        return as_floats(self.images(indices))

    @cached_property
    def factors(self) -> np.ndarray:
        """The factors of all items as class numbers, int64 (items, factors)."""
        return self.grid.factors_of(self.numbers)

    @property
    def pixels(self) -> Pixels:
        """All images in the form that perturb's own trainings draw from; the file must have been unpacked."""
        if self.file.cache is None:
            raise UserError(f"{self.path}: must be unpacked for this; `perturb dataset cache {self.path}` does that.")
        return self.file.cache


def _unchanged(tensor: Tensor) -> Tensor:
    """Return the tensor unchanged."""
    return tensor


def as_floats(images: np.ndarray) -> Tensor:
    """Convert images from uint8 (n, height, width, channels) to float32 (n, channels, height, width) in [0, 1]."""
    return torch.from_numpy(images).float().div_(255).permute(0, 3, 1, 2)


def load_benchmark(
    name_or_path: str | Path,
    variant: str = "original",
    pattern: int = 0,
    download: bool = False,
    url: str | None = None,
    cache: Path | None = None,
    *,
    original: str | Path | None = None,
    split: str | None = None,
    transform: Transform | None = None,
    target_transform: Transform | None = None,
) -> BenchmarkImages:
    """Return a variant of a benchmark as a torch Dataset.

    Args:
        name_or_path: `mini`, `dsprites`, `shapes3d`, a folder of benchmark files, or the results.json of a run.
        variant: `original`, `modified`, `noise`, `untrained` or another that the benchmark has.
        pattern: number of the variant's pattern, from 0.
        download: download the file if it is missing, instead of making it on the spot.
        url: where to download from, as for `perturb dataset download --from`; None: the value of PERTURB_BENCHMARK_URL.
        cache: folder for benchmark files; None: PERTURB_CACHE, else `perturb` in the user's cache folder.
        original: the authors' own file of dSprites or Shapes3D, whose images replace our renderer's.
        split: `train`, `valid` or `test`, the same images in every variant; None: all images.
        transform: applied to each image, float32 (channels, height, width); None: unchanged.
        target_transform: applied to each item's factors, int64 (factors,); None: unchanged.

    Raises:
        UserError: there is no such benchmark, variant or split, or the file cannot be made, downloaded or read.

    """
    found = find_benchmark(
        name_or_path, [variant], draws=[pattern], download=download, url=url, cache=cache, original=original
    )
    (path,) = found.files.values()
    unpack(path, cache)
    return BenchmarkImages(path, split, transform, target_transform)


def unpack(path: Path, cache: Path | None) -> None:
    """Unpack a file's images next to it for random access, unless they already are; verify them either way.

    If nothing may be written next to the file, its images are verified but not unpacked.

    Raises:
        UserError: the file is damaged.

    """
    if not os.access(path.parent, os.W_OK):
        return BenchmarkFile(path).prove()
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    with locked(cache_folder(cache) / "locks" / name):
        write_cache(path)
    return None


__all__ = ["BenchmarkImages", "as_floats", "load_benchmark", "unpack"]
