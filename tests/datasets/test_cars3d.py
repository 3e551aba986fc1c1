"""The reader of the published Cars3D files, on small files with the same layout."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from peers import library_module
from scipy.io import savemat

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.readers import cars3d
from perturb.datasets.readers.cars3d import Cars3DFile
from perturb.errors import UserError

GRID = FactorGrid(("elevation", "azimuth", "type"), (2, 3, 2), unordered=("type",))
NAMES = ("car_007_mesh.mat", "car_012_mesh.mat")


def views(number: int) -> np.ndarray:
    """Smooth images of one car, uint8 (128, 128, 3, azimuths, elevations)."""
    waves = np.random.default_rng(number).uniform(-0.1, 0.1, (3, 3, 2, 2))
    y, x = np.mgrid[:128, :128]
    phase = x[..., None, None, None] * waves[..., 0] + y[..., None, None, None] * waves[..., 1]
    return np.rint(127.5 + 127.5 * np.sin(phase)).astype(np.uint8)


def mat(number: int, **arrays) -> bytes:
    content = io.BytesIO()
    savemat(content, {"im": views(number), "mask": np.zeros((128, 128, 3, 2), bool), **arrays}, do_compression=True)
    return content.getvalue()


def contents() -> dict[str, bytes]:
    return {f"data/cars/{name}": mat(number) for number, name in enumerate(NAMES)}


def write_archive(path: Path, members: dict[str, bytes]) -> Path:
    """Write an archive with these members in order, between other members of the published archive and malicious ones."""
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("data/cars/car_999_mesh.mat")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, content in {
            "data/cars/list.txt": b"x",
            "../../cars/evil.mat": b"x",
            "data/shapes48.mat": b"x",
            **members,
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_folder(path: Path, members: dict[str, bytes]) -> Path:
    path.mkdir()
    for name, content in members.items():
        (path / Path(name).name).write_bytes(content)
    return path


WRITERS = {"cars.tar.gz": write_archive, "cars": write_folder}


def opened(path: Path, **options) -> Cars3DFile:
    return Cars3DFile(path, **{"check": False, "grid": GRID, **options})


@pytest.mark.parametrize("place", WRITERS)
def test_images_are_ordered_by_elevation_azimuth_and_file_name(tmp_path, place):
    backwards = dict(reversed(contents().items()))
    truth = opened(WRITERS[place](tmp_path / place, backwards))
    found = truth.images(np.arange(GRID.num_images)).reshape(2, 3, 2, 64, 64, 3)
    assert found.dtype == np.uint8
    for elevation, azimuth, car in np.ndindex(2, 3, 2):
        original = views(car)[:, :, :, azimuth, elevation].astype(float)
        means = original.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
        assert np.abs(found[elevation, azimuth, car] - means)[1:-1, 1:-1].max() < 3
    assert np.array_equal(truth.images(np.array([7, 2, 7])), found.reshape(-1, 64, 64, 3)[[7, 2, 7]])
    with pytest.raises(ValueError, match="`indices` must lie in 0 … 11, got"):
        truth.images(np.array([12]))


def test_images_equal_those_of_disentanglement_lib(tmp_path, monkeypatch):
    library = library_module("cars3d", monkeypatch)
    folder = write_folder(tmp_path / "cars", contents())
    monkeypatch.setattr(library, "CARS3D_PATH", str(folder))
    truth = opened(folder)
    for car, name in enumerate(NAMES):
        theirs = library._load_mesh(name).reshape(3, 2, 64, 64, 3)
        ours = truth.images(np.arange(12)).reshape(2, 3, 2, 64, 64, 3)[:, :, car].swapaxes(0, 1)
        assert np.array_equal(np.rint(255 * theirs), ours)


def test_the_md5_of_an_archive_is_checked(tmp_path):
    path = write_archive(tmp_path / "cars.tar.gz", contents())
    content = path.read_bytes()
    truth = opened(path, check=True, md5=hashlib.md5(content).hexdigest())
    assert truth.provenance()["sha256"] == hashlib.sha256(content).hexdigest()
    with pytest.raises(UserError, match=rf"cars\.tar\.gz: md5 must be {cars3d.ARCHIVE_MD5}, got \w{{32}}; get the file or"):
        opened(path, check=True)


def test_a_folder_is_recorded_by_the_digest_of_its_files_digests(tmp_path):
    folder = write_folder(tmp_path / "cars", contents())
    printed = "".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in NAMES)
    expected = hashlib.sha256(printed.encode()).hexdigest()
    assert opened(folder, check=True).provenance() == {"source": "file", "path_name": "cars", "sha256": expected}


def test_missing_and_surplus_cars_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"cars: there is no such file or folder; get it from http://www\.scottreed\.info"):
        opened(tmp_path / "cars")
    one = dict(list(contents().items())[:1])
    three = contents() | {"data/cars/car_100_mesh.mat": mat(3)}
    with pytest.raises(UserError, match=r"one: must have 2 files \*\.mat in it, got 1"):
        opened(write_folder(tmp_path / "one", one))
    with pytest.raises(UserError, match=r"one\.tar\.gz: must have 2 files cars/\*\.mat, got 1"):
        opened(write_archive(tmp_path / "one.tar.gz", one)).images(np.array([0]))
    with pytest.raises(UserError, match=r"must have 2 files cars/\*\.mat, got more, or car_100_mesh\.mat twice"):
        opened(write_archive(tmp_path / "three.tar.gz", three)).images(np.array([0]))


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        (mat(0, im=views(0)[:, :, :, :2]), r"car_007_mesh\.mat must have the array `im`, uint8 \(128, 128, 3, 3, 2\), got"),
        (mat(0, im=views(0).astype(float)), r"car_007_mesh\.mat must have the array `im`, uint8 .* got .*'double'"),
        (mat(0, im=np.zeros((9, 9), object)), r"car_007_mesh\.mat must have the array `im`, uint8 .* got .*'cell'"),
        (b"no MATLAB file" * 50, r"car_007_mesh\.mat must be a MATLAB file of version 5, but cannot be read as one"),
        (b"", r"car_007_mesh\.mat must be a MATLAB file of version 5"),
        (mat(0)[:-1000], r"car_007_mesh\.mat must be a MATLAB file of version 5"),
        (mat(0)[:3000] + b"\xff" * 64 + mat(0)[3064:], r"car_007_mesh\.mat must be a MATLAB file of version 5"),
    ],
    ids=["shape", "double", "objects", "text", "empty", "truncated", "flipped"],
)  # fmt: skip
def test_files_with_another_layout_and_damaged_ones_are_refused(tmp_path, content, pattern):
    members = contents() | {f"data/cars/{NAMES[0]}": content}
    for place, write in WRITERS.items():
        with pytest.raises(UserError, match=pattern):
            opened(write(tmp_path / place, members)).images(np.array([0]))


def test_oversized_files_are_refused_before_they_are_read(tmp_path, monkeypatch):
    folder, archive = (write(tmp_path / place, contents()) for place, write in reversed(WRITERS.items()))
    monkeypatch.setattr(cars3d, "LARGEST_FILE", 1000)
    for path in (folder, archive):
        with pytest.raises(UserError, match=r"car_007_mesh\.mat must have at most 1,000 bytes, got"):
            opened(path).images(np.array([0]))
    monkeypatch.setattr(cars3d, "LARGEST_ARCHIVE", 5000)
    with pytest.raises(UserError, match=r"cars\.tar\.gz must have at most 5,000 bytes, got"):
        opened(archive).images(np.array([0]))


def test_truncated_archives_and_other_files_are_refused(tmp_path):
    path = write_archive(tmp_path / "cars.tar.gz", contents())
    content = path.read_bytes()
    for name, part in {
        "half.tar.gz": content[: len(content) // 2],
        "text.tar.gz": b"no archive",
        "empty.tar.gz": b"",
    }.items():
        (tmp_path / name).write_bytes(part)
        with pytest.raises(UserError, match=rf"{name}: must be a folder or a \.tar\.gz archive, but cannot be read as one"):
            opened(tmp_path / name).images(np.array([0]))
