"""Unpacked images: written if the disk has room, removed, unpacked again and verified."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from damage import flip
from full_disk import small_disk

from perturb.datasets.saved_images import open_images, remove_images, write_images
from perturb.errors import UserError
from perturb.files import read_json
from perturb.manifests import MANIFEST, DamagedRun


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


def test_unpacked_images_that_have_changed_are_refused(finished: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(finished[1] / "runs", tmp_path / "runs")
    run = min((tmp_path / "runs").glob("pixels-*"))
    open_images(run)
    flip(run / "images.npy")
    with pytest.raises(DamagedRun, match="does not have the bytes that were recorded"):
        open_images(run)
