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

    A slice is the list of its items.

    Beside its items it has `name` of the ground truth, `variant`, `grid`, `epsilon`, `image_shape` (channels, height,
    width), `sha256` of all images, `path`, and `numbers`, int64 (items,): the grid's image that each item is.

    Args:
        path: of a benchmark file. Where its images have been unpacked beside it, they are mapped, else read from the file.
        split: `train`, `valid` or `test` (perturb/datasets/splits.py); None: all images.
        transform: changes each image; None: as it is.
        target_transform: changes each item's factors; None: as they are.

    Raises:
        UserError: it cannot be read, or there is no such split.

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
        """Several at once, as DataLoaders ask for them."""
        if not indices:
            return []
        numbers = self.numbers[np.asarray(indices)]
        images, factors = self.batch(numbers), torch.from_numpy(self.grid.factors_of(numbers))
        change, change_target = self.transform or _unchanged, self.target_transform or _unchanged
        return [(change(image), change_target(target)) for image, target in zip(images, factors, strict=True)]

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what travels to the workers of a DataLoader: the path, not gigabytes of pixels."""
        return type(self), (self.path, self.split, self.transform, self.target_transform)

    def images(self, indices: np.ndarray | list[int]) -> np.ndarray:
        """Images by number in the grid, uint8 (n, height, width, channels)."""
        return self.file.images(np.asarray(indices))

    def batch(self, indices: np.ndarray | list[int]) -> Tensor:
        """Images by number in the grid, float32 (n, channels, height, width) in [0, 1]."""
        return as_floats(self.images(indices))

    @cached_property
    def factors(self) -> np.ndarray:
        """Class numbers of all items, int64 (items, factors)."""
        return self.grid.factors_of(self.numbers)

    @property
    def pixels(self) -> Pixels:
        """All images as perturb's own trainings draw them; the file must have been unpacked."""
        if self.file.cache is None:
            raise UserError(f"{self.path}: must be unpacked for this; `perturb dataset cache {self.path}` does that.")
        return self.file.cache


def _unchanged(tensor: Tensor) -> Tensor:
    """Return what came in."""
    return tensor


def as_floats(images: np.ndarray) -> Tensor:
    """Images uint8 (n, height, width, channels) as float32 (n, channels, height, width) in [0, 1]."""
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
    """A variant of a benchmark as a torch Dataset.

    Args:
        name_or_path: `mini`, `dsprites`, `shapes3d`, a folder of benchmark files, or the results.json of a run.
        variant: `original`, `modified`, `noise`, `untrained` or another that the benchmark has.
        pattern: number of the variant's pattern, from 0.
        download: bring the file if it is not there, instead of making it on the spot.
        url: from where, as `perturb dataset download --from`; None: what PERTURB_BENCHMARK_URL says.
        cache: folder that keeps files; None: PERTURB_CACHE, else `perturb` in the user's cache folder.
        original: the authors' own file of dSprites or Shapes3D, whose images take the place of our renderer's.
        split: `train`, `valid` or `test`, the same images in every variant; None: all images.
        transform: changes each image, float32 (channels, height, width); None: as it is.
        target_transform: changes each item's factors, int64 (factors,); None: as they are.

    Raises:
        UserError: there is no such benchmark, variant or split, or it cannot be made, brought or read.

    """
    found = find_benchmark(
        name_or_path, [variant], draws=[pattern], download=download, url=url, cache=cache, original=original
    )
    (path,) = found.files.values()
    unpack(path, cache)
    return BenchmarkImages(path, split, transform, target_transform)


def unpack(path: Path, cache: Path | None) -> None:
    """Unpack a file's images beside it, for random access, unless they are there; they are proved either way.

    Where nothing may be written beside the file, its images are proved and stay as they are.

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
