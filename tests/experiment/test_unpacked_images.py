"""Unpacked images: written if the disk has room, removed, unpacked again and verified."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from damage import flip
from full_disk import small_disk

from perturb.config import ExperimentConfig
from perturb.datasets.saved_images import open_images, open_some, remove_images, write_images
from perturb.errors import UserError
from perturb.experiment.plan import plan_experiment
from perturb.files import read_json
from perturb.manifests import MANIFEST, DamagedRun
from perturb.statistics.scores import BASELINE


def test_a_full_disk_is_reported_before_any_image_is_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        with pytest.raises(UserError, match=r"needs up to 0\.01 GB, and .* has 0\.00 GB left; make room"):
            write_images(disk / "run", iter([]), shape=(4096, 32, 32, 3))
        assert not list(disk.rglob("*.npy"))


def test_removed_images_are_unpacked_again_in_place(finished: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(finished[1] / "runs", tmp_path / "runs")
    run = min((tmp_path / "runs").glob("pixels-*"))
    remove_images(run)
    with h5py.File(next((run.parent / read_json(run / MANIFEST)["inputs"]["file"]).glob("*.h5"))) as file:
        expected = file["images"][:]
    with ThreadPoolExecutor(4) as threads:  # no thread reads a torn file, and only one of them unpacks
        for pixels in threads.map(open_images, [run] * 4):
            assert np.array_equal(pixels.images(slice(None)), expected)
    assert list((tmp_path / "scratch").iterdir()) == []
    mapped = open_images(run)
    remove_images(run)
    assert np.array_equal(mapped.images(slice(None)), expected), "existing memory maps must stay valid"


def test_some_of_the_removed_images_are_read_from_the_file(finished: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(finished[1] / "runs", tmp_path / "runs")
    run = min((tmp_path / "runs").glob("pixels-*"))
    numbers = np.array([[7, 3], [4_095, 3]])
    unpacked = open_images(run)
    remove_images(run)
    some = open_some(run)
    assert (len(some), some.shape, some.channels) == (len(unpacked), unpacked.shape, unpacked.channels)
    assert np.array_equal(some.images(numbers), unpacked.images(numbers))
    assert np.array_equal(some.images(slice(5, 9)), unpacked.images(slice(5, 9)))
    assert torch.equal(some.batch(torch.from_numpy(numbers)), unpacked.batch(numbers))
    assert torch.equal(some.resident("cpu").batch(numbers), unpacked.batch(numbers))
    assert not list(run.glob("*.npy"))
    flip(next((run.parent / read_json(run / MANIFEST)["inputs"]["file"]).glob("*.h5")))
    with pytest.raises(DamagedRun, match="does not have its images any more"):
        open_some(run)


def test_a_flow_keeps_no_unpacked_images_for_its_report(tiny: ExperimentConfig, finished: tuple[Path, Path]) -> None:
    """A study of Shapes3D with five patterns of two kinds would need 60 GB for them."""
    plan = plan_experiment(tiny)
    assert set(plan.readers) == {spec for column, spec in plan.pixels.items() if column.variant != BASELINE}
    kinds = {reader.kind for readers in plan.readers.values() for reader in readers}
    assert kinds == {"restart", "scores"}
    assert list((finished[1] / "runs").glob("pixels-*"))
    assert not list((finished[1] / "runs").glob("pixels-*/*.npy"))


def test_unpacked_images_that_have_changed_are_refused(finished: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(finished[1] / "runs", tmp_path / "runs")
    run = min((tmp_path / "runs").glob("pixels-*"))
    open_images(run)
    flip(run / "images.npy")
    with pytest.raises(DamagedRun, match="does not have the bytes that were recorded"):
        open_images(run)
