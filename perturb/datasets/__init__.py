"""Ground truths: images by number on a grid of factors."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from perturb.config import OWN, DatasetConfig
from perturb.datasets.dsprites import DSprites
from perturb.datasets.ground_truth import FactorGrid, GroundTruth
from perturb.datasets.mini import Mini
from perturb.datasets.official_files import DSpritesFile, Shapes3DFile
from perturb.datasets.own import load_own
from perturb.datasets.shapes3d import Shapes3D
from perturb.errors import UserError


@dataclass(frozen=True)
class Dataset:
    """A line of the table."""

    renderer: type[GroundTruth]
    official_file: Callable[[Path], GroundTruth] | None


DATASETS = {
    "mini": Dataset(Mini, None),
    "dsprites": Dataset(DSprites, DSpritesFile),
    "shapes3d": Dataset(Shapes3D, Shapes3DFile),
}
"""Keys of DatasetConfig.name, beside that of a ground truth of one's own."""


def open_ground_truth(config: DatasetConfig) -> GroundTruth:
    """The ground truth that a config names: of one's own, the official file when it gives a path, else the renderer.

    Raises:
        UserError: the file is missing, is not the official one, or there is none for this dataset; or as `load_own`.

    """
    if config.name == OWN:
        return load_own(config.path, config.code_sha256)
    dataset = DATASETS[config.name]
    if config.path is None:
        return dataset.renderer()
    if dataset.official_file is None:
        raise UserError(f"dataset.path: {config.name} is always rendered and has no official file; remove the path.")
    return dataset.official_file(config.path)


def renderer_of(name: str) -> GroundTruth:
    """The renderer of a dataset by its key; an unknown one is a UserError that lists those there are."""
    if name not in DATASETS:
        raise UserError(f"dataset must be one of {', '.join(DATASETS)}, got {name}.")
    return DATASETS[name].renderer()


def grid_of(config: DatasetConfig) -> FactorGrid:
    """The factor grid of a config's dataset, the same for the official file and the renderer; opens no images."""
    if config.name == OWN:
        return load_own(config.path, config.code_sha256).grid
    return DATASETS[config.name].renderer.grid


__all__ = [
    "DATASETS",
    "DSprites",
    "Dataset",
    "FactorGrid",
    "GroundTruth",
    "Mini",
    "Shapes3D",
    "grid_of",
    "load_own",
    "open_ground_truth",
    "renderer_of",
]
