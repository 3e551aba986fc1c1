"""A variant of a benchmark as a torch Dataset."""

import hashlib
import os
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
from perturb.entries.packaged import recipe_hash
from perturb.errors import UserError
from perturb.external.benchmarks import cache_folder, find_benchmark
from perturb.locks import locked


class BenchmarkImages(Dataset):
    """Images with their factors: item i is (image float32 (channels, height, width) in [0, 1], factors int64 (factors,)).

    A slice is the list of its items.

    Beside its items it has `name` of the ground truth, `variant`, `grid`, `epsilon`, `image_shape` (channels, height,
    width), `sha256` of all images and `path`.

    Args:
        path: of a benchmark file. Where its images have been unpacked beside it, they are mapped, else read from the file.

    Raises:
        UserError: it cannot be read.

    """

    def __init__(self, path: Path) -> None:
        self.file = BenchmarkFile(path)
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

    def __len__(self) -> int:
        return len(self.grid)

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
        factors = torch.from_numpy(self.grid.factors_of(np.asarray(indices)))
        return list(zip(self.batch(indices), factors, strict=True))

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what travels to the workers of a DataLoader: the path, not gigabytes of pixels."""
        return type(self), (self.path,)

    def images(self, indices: np.ndarray | list[int]) -> np.ndarray:
        """Images by number, uint8 (n, height, width, channels)."""
        return self.file.images(np.asarray(indices))

    def batch(self, indices: np.ndarray | list[int]) -> Tensor:
        """Images by number, float32 (n, channels, height, width) in [0, 1]."""
        return as_floats(self.images(indices))

    @cached_property
    def factors(self) -> np.ndarray:
        """Class numbers of all images, int64 (images, factors)."""
        return self.grid.factors_of(np.arange(len(self)))

    @property
    def pixels(self) -> Pixels:
        """All images as perturb's own trainings draw them; the file must have been unpacked."""
        if self.file.cache is None:
            raise UserError(f"{self.path}: must be unpacked for this; `perturb dataset cache {self.path}` does that.")
        return self.file.cache


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
) -> BenchmarkImages:
    """A variant of a benchmark as a torch Dataset.

    Args:
        name_or_path: `mini`, `dsprites`, `shapes3d`, a folder of benchmark files, or the results.json of a run.
        variant: `original`, `modified`, `noise`, `untrained` or another that the benchmark has.
        pattern: number of the variant's pattern, from 0.
        download: bring the file if it is not there; `mini` is made on the spot and needs none.
        url: from where, as `perturb dataset download --from`; None: what PERTURB_BENCHMARK_URL says.
        cache: folder that keeps files; None: PERTURB_CACHE, else `perturb` in the user's cache folder.

    Raises:
        UserError: there is no such benchmark or variant, or it cannot be made, brought or read.

    """
    found = find_benchmark(name_or_path, [variant], draws=[pattern], download=download, url=url, cache=cache)
    (path,) = found.files.values()
    unpack(path, cache)
    return BenchmarkImages(path)


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
