"""NumPy archives of others are read as saved, or refused in one sentence before memory is allocated."""

import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest

from perturb.datasets.npz import LARGEST_ARRAY, array_in_archive, read_arrays
from perturb.errors import UserError

REMEDY = "save it again"


def _archive(path: Path, header: str, data: bytes = b"", *, version: tuple[int, int] = (1, 0), method: int = 8) -> Path:
    """Write an archive with one array `a` that has this text as its header."""
    text = header.encode()
    length = len(text).to_bytes(2 if version == (1, 0) else 4, "little")
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.npy", b"\x93NUMPY" + bytes(version) + length + text + data)
    return path


def _header(shape: str, descr: str = "'<f8'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_arrays_are_returned_as_they_were_saved(tmp_path: Path, method: int) -> None:
    rng = np.random.default_rng(0)
    saved = {"a": rng.random((50, 3)), "b": np.asfortranarray(rng.integers(9, size=(4, 5))), "c": np.zeros((0, 7), "f4")}
    with zipfile.ZipFile(tmp_path / "x.npz", "w", method) as archive:
        for name, array in saved.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array)
    for found, expected in zip(read_arrays(tmp_path / "x.npz", list(saved), REMEDY), saved.values(), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
        assert found.flags.writeable


@pytest.mark.parametrize(
    ("shape", "descr", "reason"),
    [
        ("(500000000000,)", "'<f8'", "promises 4,000,000,000,000 bytes, and 8 are there"),
        ("(True, 1)", "'<f8'", r"must be whole numbers from 0, got \(True, 1\)"),
        ("(-1,)", "'<f8'", r"must be whole numbers from 0, got \(-1,\)"),
        ("(1,)", "'|O'", "holds Python objects, save it without pickles"),
        ("(1,)", "'|S2147483647'", "promises 2,147,483,647 bytes"),
        ("(10**18,)", "'|S0'", ".*"),
        ("(1000000000000000000,)", "'|S0'", "promises 0 bytes, and 8 are there"),
        ("(1.5,)", "'<f8'", "shape is not valid"),
        ("(" * 300 + ")" * 300, "'<f8'", ".*"),
        ("(1,)", "'<z9'", ".*"),
    ],
)
def test_a_header_that_promises_more_than_the_file_holds_is_refused(
    tmp_path: Path, shape: str, descr: str, reason: str
) -> None:
    path = _archive(tmp_path / "x.npz", _header(shape, descr), b"12345678")
    with pytest.raises(UserError, match=rf"x\.npz: cannot be read as \.npz \(.*{reason}.*\); save it again\.$"):
        read_arrays(path, ["a"], REMEDY)


def test_an_oversized_header_is_not_unpacked(tmp_path: Path) -> None:
    path = _archive(tmp_path / "x.npz", " " * (1 << 24), version=(2, 0))
    with pytest.raises(UserError, match="a header must have at most 10,000 bytes, got 16,777,216"):
        read_arrays(path, ["a"], REMEDY)


def test_an_array_beyond_the_budget_is_refused_before_memory_is_allocated(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(1 << 20))
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        assert array_in_archive(archive, "a", largest=8 << 20).nbytes == 8 << 20
        with pytest.raises(ValueError, match="`a` takes 8,388,608 bytes, and may take 8,388,607"):
            array_in_archive(archive, "a", largest=(8 << 20) - 1)


def test_a_central_directory_with_false_sizes_costs_no_memory(tmp_path: Path) -> None:
    """Header and directory both promise a gigabyte, and only a few bytes are there."""
    path = _archive(tmp_path / "x.npz", _header(f"({LARGEST_ARRAY // 8},)"), b"12345678")
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("a.npy").file_size
    path.write_bytes(content.replace(size.to_bytes(4, "little"), (size - 8 + LARGEST_ARRAY).to_bytes(4, "little")))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=r"cannot be read as \.npz"):
        read_arrays(path, ["a"], REMEDY)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"<html>no</html>"])
def test_files_that_are_not_archives_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.npz: cannot be read as \.npz \(.+\); save it again"):
        read_arrays(tmp_path / "x.npz", ["a"], REMEDY)


def test_control_characters_in_member_names_are_escaped(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("\x1b[2J.npy", b"")
    with pytest.raises(UserError, match=r"no a in it, but \\x1b\[2J\."):
        read_arrays(tmp_path / "x.npz", ["a"], REMEDY)
