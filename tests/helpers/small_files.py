"""Small benchmark files that are written quickly."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from perturb.datasets import DSprites, FactorGrid, GroundTruth, Shapes3D
from perturb.datasets.hdf5.writer import write_benchmark_file
from perturb.perturbation.bounds import apply_pattern
from perturb.perturbation.noise import uniform_noise

EPSILON = 0.1
SPRITES = DSprites()


class SmallSprites(DSprites):
    """A part of dSprites with 96 images."""

    grid = FactorGrid(DSprites.grid.names, (3, 1, 2, 4, 4), DSprites.grid.unordered)
    factor_values = tuple(values[:size] for values, size in zip(DSprites.factor_values, grid.sizes, strict=True))

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Images by number."""
        return SPRITES.images(DSprites.grid.indices_of(self.grid.factors_of(indices)))


class SmallShapes(Shapes3D):
    """480 images on the part of Shapes3D's grid whose numbers equal those of the full grid."""

    grid = FactorGrid(Shapes3D.grid.names, (1, 1, 1, 8, 4, 15))
    factor_values = tuple(values[:size] for values, size in zip(Shapes3D.factor_values, grid.sizes, strict=True))

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Images by number."""
        y, x = np.mgrid[:64, :64].astype(np.uint8)
        channels = [y + np.asarray(indices)[:, None, None] + 40 * channel + 2 * x for channel in range(3)]
        return np.stack(channels, axis=-1).astype(np.uint8)


def images_of(truth: GroundTruth, variant: str, numbers: np.ndarray) -> np.ndarray:
    """Images in a file of this variant. In these tests, modified images are originals under another noise."""
    if variant == "original":
        return truth.images(numbers)
    noise = uniform_noise(numbers, truth.image_shape, seed=len(variant))
    return apply_pattern(truth.images(numbers), noise, epsilon=EPSILON, bound="reflect")


def write_small_file(path: Path, truth: GroundTruth, variant: str = "modified", **attributes: str | float) -> Path:
    """Write a benchmark file with the attributes that the pipeline sets."""
    renderer = ",".join(f" {key}={value}" for key, value in sorted(truth.provenance().items())).strip()
    write_benchmark_file(
        path,
        truth,
        lambda numbers: images_of(truth, variant, numbers),
        attributes={
            "variant": variant,
            "epsilon": 0.0 if variant == "original" else EPSILON,
            "bound": "reflect",
            "source": renderer,
            "run": f"file-{variant}",
            "config_hash": "c0ffee",
            "perturb_version": "0.1.0",
        }
        | attributes,
        report=lambda done, total: None,
    )
    return path


@contextmanager
def disk_that_is_full_at(size: int) -> Iterator[None]:
    """Limit the size of every file this process writes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
