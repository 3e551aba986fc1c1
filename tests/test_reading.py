"""Untrusted files are read or refused in one sentence, and their content cannot send control codes to a terminal."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from perturb.errors import UserError
from perturb.reading import (
    LARGEST_ATTRIBUTE,
    UNREADABLE,
    attributes_of,
    bytes_of,
    opened_hdf5,
    read_regular,
    reading,
    text_of,
)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("a\nb"), r"\('a\\nb'\)"),
        (ValueError("first line.\nsecond line"), r"\(first line\)"),
        (OSError(5, "Input/output error"), r"\(Input/output error\)"),
        (EOFError(), r"\(EOFError\)"),
        (RecursionError("deep"), r"\(it is nested too deeply\)"),
        (MemoryError(), r"\(it asks for more memory than there is\)"),
        (ValueError("\x1b[2J" + "x" * 1_000), r"\(\\x1b\[2Jx{236}…\)"),
    ],
)
def test_any_exception_from_a_library_is_reported_in_one_sentence(tmp_path: Path, error: Exception, reason: str) -> None:
    with (
        pytest.raises(UserError, match=rf"a\.bin: cannot be read {reason}; make it again\.$"),
        reading(tmp_path / "a.bin", "make it again"),
    ):
        raise error


def test_a_web_page_saved_in_place_of_a_file_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("\n <!DOCTYPE html><html>Quota exceeded", encoding="utf-8")
    with pytest.raises(UserError, match="it is a web page"), reading(tmp_path / "a.bin", "make it again"):
        raise ValueError("bad magic number")


def test_user_errors_and_interrupts_pass_through_unchanged(tmp_path: Path) -> None:
    for error in (UserError("as it is"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as raised, reading(tmp_path, "make it again"):
            raise error
        assert raised.value is error


@pytest.mark.parametrize("name", ["pipe", "device"])
def test_pipes_and_devices_are_not_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match="it is no regular file"):
        bytes_of(path, "name a file")


def test_a_file_above_the_size_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert bytes_of(path, "name a file", largest=5) == b"12345"
    with pytest.raises(UserError, match="it has more than 4 bytes"):
        bytes_of(path, "name a file", largest=4)


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfseed = 1")
    assert text_of(tmp_path / "a", "name a file") == "seed = 1"


def test_invalid_utf_8_is_reported_with_its_position(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"ab\xff")
    with pytest.raises(UserError, match="it is not UTF-8, at byte 2"):
        text_of(tmp_path / "a", "name a file")


def test_a_truncated_hdf5_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.random.default_rng(0).random(1_000)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(UserError, match=r"cannot be read as HDF5 \(.*truncated.*\)"), opened_hdf5(path, "make it again"):
        pass


def test_hdf5_attributes_without_a_python_equivalent_are_marked_unreadable(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["text"], file.attrs["numbers"] = "ψ", [1, 2]
        file.attrs["bytes"] = np.bytes_(b"\xff")
        file.attrs["flag"] = True
        file.attrs["reference"] = file.ref
        space, time = h5py.h5s.create(h5py.h5s.SCALAR), h5py.h5t.UNIX_D32LE
        h5py.h5a.create(file.id, b"time", time, space)
        opaque = h5py.h5t.create(h5py.h5t.OPAQUE, 4)
        opaque.set_tag(b"NUMPY:garbage[[[")
        h5py.h5a.create(file.id, b"opaque", opaque, space)
    with opened_hdf5(tmp_path / "a.h5", "make it again") as file:
        assert attributes_of(file) == {
            "text": "ψ",
            "numbers": [1, 2],
            "bytes": "\ufffd",
            "flag": True,
            "reference": UNREADABLE,
            "time": UNREADABLE,
            "opaque": UNREADABLE,
        }


def test_an_oversized_hdf5_attribute_is_marked_unreadable(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file.attrs["large"] = np.zeros(LARGEST_ATTRIBUTE // 8 + 1)
        file.attrs["small"] = 1
    with opened_hdf5(tmp_path / "a.h5", "make it again") as file:
        assert attributes_of(file) == {"large": UNREADABLE, "small": 1}


def test_a_regular_file_is_read_whole_up_to_the_size_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(OSError, match="it has more than 4 bytes"):
        read_regular(path, 4)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "endless"])
def test_anything_but_a_finite_regular_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "/proc/self/pagemap")
    with pytest.raises(OSError, match=r"no regular file|Is a directory|more than 1,000 bytes"):
        read_regular(path, 1000)
