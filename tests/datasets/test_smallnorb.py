"""The reader of the published SmallNORB files, on small files with the same layout."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from peers import library_module

from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.readers.smallnorb import SHA256, SPLITS, SmallNORBFile
from perturb.errors import UserError

GRID = FactorGrid(("category", "instance", "elevation", "azimuth", "lighting"), (2, 2, 2, 3, 2))
CODES = {np.dtype("u1"): 0x1E3D4C55, np.dtype("i4"): 0x1E3D4C54, np.dtype("f4"): 0x1E3D4C51}


def splits() -> list[dict[str, np.ndarray]]:
    """Both splits with one instance each, in random order."""
    found = []
    for instance in (1, 0):
        rng = np.random.default_rng(instance)
        factors = GRID.factors_of(np.arange(GRID.num_images))
        factors = rng.permutation(factors[factors[:, 1] == instance]).astype(np.int32)
        factors[:, 3] *= 2
        y, x = np.mgrid[:96, :96]
        waves = rng.uniform(-0.1, 0.1, (len(factors), 2, 2, 1, 1))
        pairs = np.rint(127.5 + 127.5 * np.sin(waves[:, :, 0] * x + waves[:, :, 1] * y)).astype(np.uint8)
        found.append({"dat": pairs, "cat": factors[:, 0].copy(), "info": factors[:, 1:].copy()})
    return found


def matrix(array: np.ndarray) -> bytes:
    """Encode a matrix in the format of the published files, which always state at least three sizes."""
    sizes = [*array.shape, *[1] * (3 - array.ndim)]
    return np.array([CODES[array.dtype], array.ndim, *sizes], "<i4").tobytes() + array.tobytes()


def write(folder: Path, found: list[dict[str, np.ndarray]], *, zipped: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    for split, arrays in zip(SPLITS, found, strict=True):
        for part, array in arrays.items():
            content = array if isinstance(array, bytes) else matrix(array)
            path = folder / f"{split}-{part}.mat"
            if zipped:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content, 1))
            else:
                path.write_bytes(content)
    return folder


def opened(path: Path, **options) -> SmallNORBFile:
    return SmallNORBFile(path, **{"check": False, "grid": GRID, **options})


@pytest.mark.parametrize("zipped", [True, False])
def test_left_images_are_returned_in_grid_order(tmp_path, zipped, monkeypatch):
    monkeypatch.setattr("perturb.datasets.readers.smallnorb.BLOCK", 5)
    truth = opened(write(tmp_path / "norb", splits(), zipped=zipped))
    images = truth.images(np.arange(GRID.num_images))
    assert images.dtype == np.uint8
    assert images.shape == (48, 64, 64, 1)
    for arrays in splits():
        labels = np.column_stack([arrays["cat"], arrays["info"]])
        labels[:, 3] //= 2
        for number, pair in zip(GRID.indices_of(labels), arrays["dat"], strict=True):
            means = pair[0].reshape(32, 3, 32, 3).mean(axis=(1, 3))
            found = images[number, ..., 0].reshape(32, 2, 32, 2).mean(axis=(1, 3))
            assert np.abs(means - found)[1:-1, 1:-1].max() < 4
    assert np.array_equal(truth.images(np.array([7, 2, 7])), images[[7, 2, 7]])
    assert truth.values_of(np.array([47]))[0].tolist() == [1, 1, 35, 40, 1]
    with pytest.raises(ValueError, match="`indices` must lie in 0 … 47, got"):
        truth.images(np.array([48]))


def test_images_equal_those_of_disentanglement_lib_up_to_one_grey_level(tmp_path, monkeypatch):
    library = library_module("norb", monkeypatch)
    template = str(write(tmp_path / "norb", splits(), zipped=False) / "{}-{}.mat")
    monkeypatch.setattr(library, "int", lambda array: array.item(), raising=False)  # int() of an array worked in older NumPy
    theirs, features = library._load_small_norb_chunks(template, SPLITS)
    ours = opened(tmp_path / "norb").images(GRID.indices_of(features))[..., 0]
    off = np.clip(np.rint(255 * theirs), 0, 255) - ours
    assert np.abs(off).max() <= 1
    assert (off != 0).mean() < 0.01


def test_the_sha256_of_compressed_files_is_checked(tmp_path):
    folder = write(tmp_path / "norb", splits())
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert set(digests) == set(SHA256)
    truth = opened(folder, check=True, sha256=digests)
    printed = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    assert truth.provenance()["sha256"] == hashlib.sha256(printed.encode()).hexdigest()
    pattern = (
        rf"norb: sha256 of {SPLITS[0]}-dat\.mat\.gz must be 5ffd\w{{60}}, got \w{{64}}; get the folder again from https"
    )
    with pytest.raises(UserError, match=pattern):
        opened(folder, check=True)
    assert opened(write(tmp_path / "plain", splits(), zipped=False), check=True).grid == GRID


def test_a_missing_folder_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"norb: there is no such folder; get it from https://cs\.nyu\.edu"):
        opened(tmp_path / "norb")
    folder = write(tmp_path / "norb", splits())
    (folder / f"{SPLITS[1]}-info.mat.gz").unlink()
    with pytest.raises(UserError, match=rf"norb: {SPLITS[1]}-info\.mat or {SPLITS[1]}-info\.mat\.gz must be in it"):
        opened(folder)


def with_header(array: np.ndarray, place: int, value: int) -> bytes:
    content = bytearray(matrix(array))
    content[4 * place : 4 * place + 4] = value.to_bytes(4, "little", signed=True)
    return bytes(content)


def changed(part: str, change) -> list[dict[str, np.ndarray]]:
    found = splits()
    found[1][part] = change(found[1][part])
    return found


@pytest.mark.parametrize(
    ("part", "change", "pattern"),
    [
        ("cat", lambda a: a.astype(np.float32), r"testing-cat\.mat must have rows of the shape \(\), got the header \[50"),
        ("info", lambda a: a[:, :3].copy(), r"testing-info\.mat must have rows of the shape \(4,\), got the header"),
        ("cat", lambda a: b"", r"testing-cat\.mat must have rows of the shape \(\), got the header \[0, 0, 0, 0, 0\]"),
        ("cat", lambda a: b"abc", r"testing-cat\.mat must have rows of the shape \(\), got the header"),
        ("cat", lambda a: with_header(a, 2, 2**31 - 1), r"testing-cat\.mat must have 1 … 48 rows, got 2147483647"),
        ("cat", lambda a: with_header(a, 2, -1), r"testing-cat\.mat must have 1 … 48 rows, got -1"),
        ("cat", lambda a: a[:0], r"testing-cat\.mat must have 1 … 48 rows, got 0"),
        ("cat", lambda a: with_header(a, 2, 30), r"testing-cat\.mat must have 30 rows, and ends after 24"),
        ("cat", lambda a: with_header(a, 2, 20), r"testing-cat\.mat must have 20 rows, and goes on after them"),
        ("cat", lambda a: a[:-1].copy(), r"labels of smallnorb-5x01235.* must be equally many, got 23 and 24"),
        ("cat", lambda a: 1 - a[:1].repeat(24), "the labels must name each of the 48 points of the grid once"),
        ("info", lambda a: a + 1, "the labels must name each of the 48 points of the grid once"),
        ("info", lambda a: a - 1, "the labels must name each of the 48 points of the grid once"),
        ("dat", lambda a: a[:-1].copy(), r"testing-dat\.mat must have a row for each of 24 labels, got 23"),
        ("dat", lambda a: a[:, :, :64].copy(), r"testing-dat\.mat must have rows of the shape \(2, 96, 96\), got"),
        ("dat", lambda a: matrix(a)[:-5], r"testing-dat\.mat must have 24 rows, and ends after 23"),
    ],
)  # fmt: skip
def test_wrong_headers_and_labels_are_refused(tmp_path, part, change, pattern):
    folder = write(tmp_path / "norb", changed(part, change), zipped=False)
    with pytest.raises(UserError, match=pattern):
        opened(folder).images(np.array([0]))


def test_damaged_compressed_files_are_refused(tmp_path):
    folder = write(tmp_path / "norb", splits())
    path = folder / f"{SPLITS[0]}-dat.mat.gz"
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 0xFF
    for damaged in (content[: len(content) // 2], bytes(flipped), b"no gzip"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"training-dat\.mat\.gz (is damaged|must have)"):
            opened(folder).images(np.array([0]))
