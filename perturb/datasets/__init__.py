"""Ground truths: images that are addressed by number on a grid of factors."""

from dataclasses import dataclass
from pathlib import Path

from perturb.config import OWN, DatasetConfig
from perturb.datasets.ground_truth import FactorGrid, GroundTruth
from perturb.datasets.hdf5.reader import BenchmarkFile, is_benchmark_file
from perturb.datasets.readers.cars3d import Cars3DFile
from perturb.datasets.readers.mpi3d import MPI3DRealFile, MPI3DRealisticFile, MPI3DToyFile
from perturb.datasets.readers.official import DSpritesFile, Shapes3DFile
from perturb.datasets.readers.own import load_own
from perturb.datasets.readers.published_file import PublishedFile
from perturb.datasets.readers.smallnorb import SmallNORBFile
from perturb.datasets.readers.tfds import DSpritesFolder, Shapes3DFolder
from perturb.datasets.renderers.dsprites import DSprites
from perturb.datasets.renderers.mini import Mini, MiniClosed
from perturb.datasets.renderers.shapes3d import Shapes3D
from perturb.errors import UserError, not_among


@dataclass(frozen=True)
class Dataset:
    """An entry of `DATASETS`: a renderer, a reader of the official file, or both."""

    renderer: type[GroundTruth] | None
    official_file: type[PublishedFile] | None
    tfds_folder: type[PublishedFile] | None = None
    """Reader of a folder prepared by tensorflow_datasets."""

    @property
    def kind(self) -> type[GroundTruth]:
        """Class with the grid, image shape and factor values: the renderer if there is one, else the reader."""
        kind = self.renderer or self.official_file
        assert kind is not None  # every entry has at least one of them
        return kind


DATASETS = {
    "mini": Dataset(Mini, None),
    "mini_closed": Dataset(MiniClosed, None),
    "dsprites": Dataset(DSprites, DSpritesFile, DSpritesFolder),
    "shapes3d": Dataset(Shapes3D, Shapes3DFile, Shapes3DFolder),
    "mpi3d_toy": Dataset(None, MPI3DToyFile),
    "mpi3d_realistic": Dataset(None, MPI3DRealisticFile),
    "mpi3d_real": Dataset(None, MPI3DRealFile),
    "cars3d": Dataset(None, Cars3DFile),
    "smallnorb": Dataset(None, SmallNORBFile),
}
"""Datasets by `DatasetConfig.name`, which can also be that of a user's own ground truth."""


def open_ground_truth(config: DatasetConfig) -> GroundTruth:
    """Open the ground truth that a config names: the user's own, the official file if a path is given, else the renderer.

    A path may also be a benchmark file of the dataset, of any variant, or, for dSprites and Shapes3D, a folder prepared by
    tensorflow_datasets, such as dsprites/2.0.0.

    Raises:
        UserError: the file is missing or is not the official one, or the dataset has no official file; the dataset has no
            renderer and no path is given; or `load_own` fails.

    """
    if config.name == OWN:
        return _own(config)
    if config.path is None:
        return renderer_of(config.name)
    truth = reader_of(config.name, config.path)
    if isinstance(truth, BenchmarkFile) and config.sha256 not in (None, truth.images_sha256):
        raise UserError(f"{config.path}: has changed while the experiment was running; run the same command again.")
    return truth


def reader_of(name: str, path: Path) -> GroundTruth:
    """Open what is at a path: a benchmark file of the dataset, its official file, or a folder of tensorflow_datasets.

    Raises:
        UserError: it belongs to another dataset, the dataset has no official file, or the reader refuses it.

    """
    dataset = DATASETS[name]
    if is_benchmark_file(path):
        file = BenchmarkFile(path)
        if file.name != name:
            raise UserError(f"dataset.path: {path} is a benchmark file of {file.name}, and dataset.name is {name}.")
        return file
    if dataset.official_file is None:
        raise UserError(f"dataset.path: {name} is always rendered and has no official file; remove the path.")
    if dataset.tfds_folder is not None and path.is_dir():
        return dataset.tfds_folder(path)
    return dataset.official_file(path)


def renderer_of(name: str) -> GroundTruth:
    """Return the renderer of a dataset by its key.

    Raises:
        UserError: the key is unknown, or the dataset has no renderer; the message lists the alternatives.

    """
    if name not in DATASETS:
        raise UserError(f"dataset {not_among([name], DATASETS)}.")
    renderer = DATASETS[name].renderer
    if renderer is None:
        rendered = ", ".join(key for key, dataset in DATASETS.items() if dataset.renderer)
        raise UserError(
            f"{name} exists as its authors' file only, which a config names in dataset.path; perturb renders {rendered}."
        )
    return renderer()


def grid_of(config: DatasetConfig) -> FactorGrid:
    """Return the factor grid of a config's dataset. Reads at most the header and the labels of a file, not its images."""
    if config.name == OWN:
        return _own(config).grid
    dataset = DATASETS[config.name]
    if config.path is None:
        return dataset.kind.grid
    if is_benchmark_file(config.path) or dataset.official_file is None:
        return reader_of(config.name, config.path).grid
    return dataset.official_file.grid_in(config.path)


def _own(config: DatasetConfig) -> GroundTruth:
    assert config.path is not None  # DatasetConfig refuses OWN without a path
    return load_own(config.path, config.sha256)


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
    "reader_of",
    "renderer_of",
]
