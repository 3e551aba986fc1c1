"""The table of datasets and the names that configs accept."""

import io
import struct
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from perturb.config import OWN, DatasetConfig
from perturb.config.experiment import FILES_ONLY
from perturb.datasets import DATASETS, grid_of, open_ground_truth
from perturb.datasets.readers.mpi3d import CHALLENGE, PUBLISHED, MPI3DToyFile
from perturb.errors import UserError


def test_configs_accept_exactly_the_datasets_in_the_table() -> None:
    assert get_args(DatasetConfig.model_fields["name"].annotation) == (*DATASETS, OWN)
    assert [name for name, dataset in DATASETS.items() if dataset.renderer is None] == list(FILES_ONLY)


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_a_name_a_grid_and_values_for_every_factor(name: str) -> None:
    dataset = DATASETS[name]
    for kind in (dataset.renderer, dataset.official_file):
        if kind is not None:
            assert kind.name == name
            assert tuple(len(values) for values in kind.factor_values) == kind.grid.sizes == dataset.kind.grid.sizes
            assert kind.image_shape == dataset.kind.image_shape
            assert set(kind.grid.unordered) < set(kind.grid.names)
    assert grid_of(DatasetConfig.model_construct(name=name, path=None)) == dataset.kind.grid


@pytest.mark.parametrize("name", FILES_ONLY)
def test_a_dataset_without_a_renderer_needs_a_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=f"dataset.path must name the official file or folder of {name}, because"):
        DatasetConfig(name=name)
    with pytest.raises(UserError, match=f"{name} exists as its authors' file only"):
        open_ground_truth(DatasetConfig.model_construct(name=name, path=None))
    with pytest.raises(UserError, match=r"absent: there is no such (file|folder|file or folder); get it from \S+\.$"):
        open_ground_truth(DatasetConfig(name=name, path=tmp_path / "absent"))


@pytest.mark.parametrize("grid", [PUBLISHED, CHALLENGE])
def test_the_grid_of_mpi3d_is_determined_by_its_file_without_reading_images(tmp_path: Path, grid) -> None:
    """The file has full size and is sparse, so that it takes hardly any disk space."""
    path = tmp_path / "mpi3d_toy.npz"
    _write_archive_with_a_hole(path, (grid.num_images, 64, 64, 3))
    assert path.stat().st_blocks * 512 < 1_000_000
    assert grid_of(DatasetConfig(name="mpi3d_toy", path=path)) == grid
    last = MPI3DToyFile(path, check=False).images(np.array([grid.num_images - 1]))
    assert last.shape == (1, 64, 64, 3)
    assert last.max() == 0


def _write_archive_with_a_hole(path: Path, shape: tuple[int, ...]) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    size = len(header.getvalue()) + int(np.prod(shape))
    extra = struct.pack("<HHQQ", 1, 16, size, size)
    sizes = struct.pack("<LLL", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    with path.open("wb") as file:
        file.write(struct.pack("<4sHHHHH", b"PK\3\4", 45, 0, 0, 0, 33) + sizes + struct.pack("<HH", 10, len(extra)))
        file.write(b"images.npy" + extra + header.getvalue())
        file.seek(30 + 10 + len(extra) + size)
        start = file.tell()
        file.write(struct.pack("<4sHHHHHH", b"PK\1\2", 45, 45, 0, 0, 0, 33) + sizes)
        file.write(struct.pack("<HHHHHLL", 10, len(extra), 0, 0, 0, 0, 0) + b"images.npy" + extra)
        end = file.tell()
        file.write(struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, end - start, start))
        file.write(struct.pack("<4sLQL", b"PK\6\7", 0, end, 1))
        file.write(struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 1, 1, end - start, 0xFFFFFFFF, 0))
