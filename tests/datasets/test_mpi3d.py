"""The reader of the published MPI3D files, on small files with the same layout."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from full_disk import small_disk

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.readers.mpi3d import NAMES, UNORDERED, MPI3DFile, MPI3DRealFile, MPI3DToyFile
from perturb.errors import UserError

LARGE = FactorGrid(NAMES, (3, 2, 1, 1, 2, 2, 3), UNORDERED)
SMALL = FactorGrid(NAMES, (2, 2, 1, 1, 2, 2, 3), UNORDERED)
SAVED = {"stored": np.savez, "compressed": np.savez_compressed}


def pictures(grid: FactorGrid = LARGE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (grid.num_images, 64, 64, 3)).astype(np.uint8)


def opened(path: Path, **options) -> MPI3DFile:
    return MPI3DToyFile(path, **{"check": False, "grids": (LARGE, SMALL), **options})


@pytest.mark.parametrize("how", SAVED)
@pytest.mark.parametrize("grid", [LARGE, SMALL])
def test_images_are_returned_in_the_requested_order(tmp_path, how, grid):
    SAVED[how](tmp_path / "a.npz", images=pictures(grid))
    truth = opened(tmp_path / "a.npz")
    assert truth.grid == grid == MPI3DToyFile.grid_in(tmp_path / "a.npz", (LARGE, SMALL))
    assert truth.name == "mpi3d_toy"
    for order in (np.array([5, 3, 5, 20, 0]), np.arange(grid.num_images), np.array([], np.int64)):
        images = truth.images(order)
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images, pictures(grid)[order])
    assert truth.values_of(np.array([grid.num_images - 1]))[0].tolist() == [size - 1 for size in grid.sizes]
    with pytest.raises(ValueError, match="`indices` must lie in 0 …"):
        truth.images(np.array([-1]))


def test_an_archive_with_other_members_extra_fields_and_a_comment_is_read_correctly(tmp_path):
    """The archive has a comment, an extra field in a header and an invalid member that must not be opened."""
    np.savez(tmp_path / "plain.npz", images=pictures(SMALL))
    with zipfile.ZipFile(tmp_path / "plain.npz") as plain, zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("metadata.npy", b"\x93NUMPY\x01\x00 no array at all")
        info = zipfile.ZipInfo("images.npy")
        info.extra = b"\x55\x66\x05\x00hello"
        archive.writestr(info, plain.read("images.npy"))
        archive.comment = b"a comment"
    np.testing.assert_array_equal(opened(tmp_path / "a.npz").images(np.arange(20)), pictures(SMALL)[:20])


def test_compressed_images_are_unpacked_into_an_unnamed_temporary_file(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", images=pictures())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("perturb.datasets.readers.mpi3d.BLOCK", 10_000)
    truth = opened(tmp_path / "a.npz")
    np.testing.assert_array_equal(truth.images(np.array([LARGE.num_images - 1])), pictures()[-1:])
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("looks_roomy", [False, True])
def test_too_little_disk_space_for_unpacking_is_reported_with_what_is_needed(tmp_path, monkeypatch, looks_roomy):
    """Both when it is noticed beforehand and when the disk fills up during unpacking."""
    grid = FactorGrid(NAMES, (3, 2, 2, 1, 2, 2, 4), UNORDERED)
    np.savez_compressed(tmp_path / "a.npz", images=pictures(grid))
    truth = opened(tmp_path / "a.npz", grids=(grid,))
    with small_disk(tmp_path / "disk", 1) as disk:
        monkeypatch.setattr("tempfile.tempdir", str(disk))
        if looks_roomy:
            monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1 << 40))
        reason = "No space left on device" if looks_roomy else "too little room is left"
        pattern = rf"a\.npz: must be unpacked, which needs 0\.00 GB in .*disk \({reason}\); make room, or name .* TMPDIR\.$"
        with pytest.raises(UserError, match=pattern):
            truth.images(np.array([0]))
        assert list(disk.iterdir()) == []


def test_the_md5_is_checked_where_one_is_known(tmp_path):
    np.savez(tmp_path / "a.npz", images=pictures())
    content = (tmp_path / "a.npz").read_bytes()
    truth = opened(tmp_path / "a.npz", check=True, md5=hashlib.md5(content).hexdigest())
    digest = hashlib.sha256(content).hexdigest()
    assert truth.provenance() == {"source": "file", "path_name": "a.npz", "sha256": digest}
    pattern = r"a\.npz: md5 must be 0{32}, got \w{32}; get the file again from https://github.com/rr-learning/\w+\.$"
    with pytest.raises(UserError, match=pattern):
        opened(tmp_path / "a.npz", check=True, md5=32 * "0")
    assert opened(tmp_path / "a.npz", check=True).grid == LARGE, "no md5 is known for other grids than the published one"


def test_a_file_with_the_published_grid_must_have_the_published_md5(tmp_path, monkeypatch):
    monkeypatch.setattr("perturb.datasets.readers.mpi3d.PUBLISHED", LARGE)
    np.savez(tmp_path / "a.npz", images=pictures())
    with pytest.raises(UserError, match="md5 must be 0f33f609918fb5c97996692f91129802, got"):
        MPI3DRealFile(tmp_path / "a.npz", grids=(LARGE, SMALL))


@pytest.mark.parametrize(
    ("arrays", "given"),
    [
        ({"images": pictures()[:-1]}, r"uint8 \(71, 64, 64, 3\) in 872448 bytes"),
        ({"images": pictures().astype(np.int64)}, r"int64 \(72, 64, 64, 3\) in"),
        ({"images": pictures()[..., :1]}, r"uint8 \(72, 64, 64, 1\) in"),
        ({"images": np.asfortranarray(pictures())}, "no such array"),
        ({"images": np.array({"a": 1}, dtype=object)}, r"object \(\) in"),
        ({"pictures": pictures()}, "no such array"),
    ],
)
def test_another_layout_is_refused(tmp_path, arrays, given):
    np.savez(tmp_path / "a.npz", **arrays)
    pattern = rf"a\.npz: must be an archive with the array `images`, uint8 \(72 or 48, 64, 64, 3\), got {given}"
    with pytest.raises(UserError, match=pattern):
        opened(tmp_path / "a.npz")


def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", images=pictures(SMALL))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        member = archive.read("images.npy").replace(b"(48, ", b"(72, ")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("images.npy", member)
    with pytest.raises(UserError, match=r"b\.npz: must be .* got uint8 \(72, 64, 64, 3\) in 589824 bytes"):
        opened(tmp_path / "b.npz")


def test_missing_files_and_files_that_are_not_archives_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"a\.npz: there is no such file; get it from https://github\.com/rr-learning"):
        opened(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"a\.npz: must be an archive"):
        opened(tmp_path / "a.npz")
    with pytest.raises(UserError, match="must be an archive"):
        opened(tmp_path)


def test_damaged_and_truncated_archives_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", images=pictures())
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "flipped.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"flipped\.npz: `images` is damaged \(.+\); get the file again"):
        opened(tmp_path / "flipped.npz").images(np.array([0]))
    (tmp_path / "half.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"half\.npz: must be an archive"):
        opened(tmp_path / "half.npz")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_images_of_an_uncompressed_archive_are_memory_mapped_and_not_loaded(tmp_path):
    """Reading from 106 MB of images must add less than 30 MB of memory."""
    grid = FactorGrid(NAMES, (6, 4, 2, 3, 3, 4, 5), UNORDERED)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("images.npy", "w") as member:
        shape = (grid.num_images, 64, 64, 3)
        np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for _ in range(grid.num_images // 120):
            member.write(bytes(120 * 64 * 64 * 3))
    code = (
        "import sys, resource, pathlib, numpy as np\n"
        "from perturb.datasets.readers.mpi3d import MPI3DToyFile, FactorGrid\n"
        f"grid = FactorGrid({grid.names!r}, {grid.sizes!r})\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "truth = MPI3DToyFile(pathlib.Path(sys.argv[1]), check=False, grids=(grid,))\n"
        "assert truth.images(np.array([0, grid.num_images - 1])).max() == 0\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.npz")],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 30_000
