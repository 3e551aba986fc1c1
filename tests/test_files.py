import hashlib
import math
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from perturb.errors import UserError
from perturb.files import (
    atomic_write,
    digests_of,
    read_json,
    require_writable,
    sha256_of,
    write_json,
    write_text,
)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_under_its_name_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.txt"
    with atomic_write(target) as part:
        part.write_text("whole")
        assert part.parent == target.parent
        assert not target.exists()
    assert target.read_text() == "whole"
    assert _names(target.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_in_the_block_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), atomic_write(tmp_path / "a.txt") as part:  # noqa: PT012
        part.write_text("half")
        raise error
    assert _names(tmp_path) == []


def test_an_exception_before_the_first_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too early"), atomic_write(tmp_path / "a.txt"):
        raise ValueError("too early")
    assert _names(tmp_path) == []


def test_an_existing_file_survives_a_failed_rewrite(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(ValueError, match="broken"), atomic_write(target) as part:  # noqa: PT012
        part.write_text("new, but only ha")
        raise ValueError("broken")
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


def test_a_rewrite_replaces_the_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "a long old text")
    write_text(target, "ψ")
    assert target.read_bytes() == "ψ".encode()


def test_two_writers_of_the_same_file_use_separate_temporary_files(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.txt") as first, atomic_write(tmp_path / "a.txt") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a.txt").read_text() == "first"
    assert _names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused_as_json_and_the_old_file_stays(tmp_path: Path, value: float) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"score": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(target, {"score": value})
    assert read_json(target) == {"score": 1.0}


def test_json_reads_back_unchanged_and_its_bytes_do_not_depend_on_key_order(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, None, 0.1], "a": {"β": "ψ"}})
    write_json(tmp_path / "b.json", {"a": {"β": "ψ"}, "b": [1, None, 0.1]})
    assert read_json(tmp_path / "a.json") == {"a": {"β": "ψ"}, "b": [1, None, 0.1]}
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("content", "digest"),
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ],
)
def test_the_sha256_of_known_bytes_is_correct(tmp_path: Path, content: bytes, digest: str) -> None:
    (tmp_path / "a.bin").write_bytes(content)
    assert sha256_of(tmp_path / "a.bin") == digest


def test_the_sha256_of_a_file_larger_than_the_buffer_is_correct(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4_096
    (tmp_path / "a.bin").write_bytes(content)
    assert sha256_of(tmp_path / "a.bin") == hashlib.sha256(content).hexdigest()


def test_several_digests_of_a_file_can_be_computed_together(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5_000
    (tmp_path / "a").write_bytes(content)
    expected = {"md5": hashlib.md5(content).hexdigest(), "sha256": sha256_of(tmp_path / "a")}
    assert digests_of(tmp_path / "a", ("md5", "sha256")) == expected


def _special(folder: Path, kind: str) -> Path:
    """Make a pipe or a device. Skip the test if this user may not make devices."""
    path = folder / kind
    if kind == "pipe":
        os.mkfifo(path)
        return path
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        path.write_bytes(b"")
    except PermissionError:
        pytest.skip("making a device needs root")
    return path


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_pipes_and_devices_are_written_to_and_not_replaced(tmp_path: Path, kind: str) -> None:
    path, got = _special(tmp_path, kind), []
    reader = threading.Thread(target=lambda: got.append(path.read_text()))
    if kind == "pipe":
        reader.start()
    write_text(path, "whole")
    if kind == "pipe":
        reader.join(timeout=10)
        assert got == ["whole"]
        assert path.is_fifo()
    else:
        assert path.is_char_device()
    assert _names(tmp_path) == [kind]


@pytest.mark.parametrize("there", [True, False], ids=["target exists", "dangling"])
def test_a_symbolic_link_stays_and_its_target_is_replaced_atomically(tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "folder" / "real.txt", tmp_path / "link.txt"
    target.parent.mkdir()
    link.symlink_to(target)
    if there:
        target.write_text("old")
    with pytest.raises(ValueError, match="broken"), atomic_write(link) as part:  # noqa: PT012
        part.write_text("new, but only ha")
        raise ValueError("broken")
    assert not there or target.read_text() == "old"
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert _names(tmp_path) == ["folder", "link.txt"]
    assert _names(target.parent) == ["real.txt"]


def test_text_written_to_standard_output_follows_earlier_output(tmp_path: Path) -> None:
    code = "from perturb.files import write_text, Path; print('before'); write_text(Path('/dev/stdout'), 'whole'); print(1)"
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True, timeout=60)
    assert (tmp_path / "out").read_text() == "before\nwhole1\n"


@pytest.mark.parametrize("name", ["x" * 255, "ψ" * 127])
def test_the_longest_file_name_that_the_system_allows_can_be_written(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "whole")
    assert _names(tmp_path) == [name]


BAD_PLACES = {
    "a folder": ("folder", "Is a directory"),
    "below a file": ("file/a.txt", "Not a directory|File exists|is a file"),
    "too long a name": ("x" * 300, "File name too long"),
    "too long a folder name": (f"new/{'x' * 300}/a.txt", "File name too long"),
    "in a folder where nothing can be created": ("/proc/x", "No such file or directory|Permission denied"),
    "a link to itself": ("ring", "Too many levels of symbolic links"),
}


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """Return a folder that holds a folder, a file, and a link to itself."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    (tmp_path / "ring").symlink_to("ring")
    return tmp_path


@pytest.mark.parametrize("name", BAD_PLACES)
def test_an_unwritable_path_is_reported_both_in_advance_and_when_writing(places: Path, name: str) -> None:
    place, reason = BAD_PLACES[name]
    with pytest.raises(UserError, match=rf": cannot be written \((.*({reason}).*)\); nothing was left behind\."):
        write_text(places / place, "new")
    with pytest.raises(UserError, match=rf"^--json: .* cannot be written to \((.*({reason}).*)\); name another place\."):
        require_writable(places / place, "--json")
    assert _names(places) == ["file", "folder", "ring"]
    assert (places / "file").read_text() == "old"


@pytest.mark.parametrize("place", ["file", "file/a", "x" * 300, "/proc/x", "ring", "ring/a"])
def test_an_unwritable_folder_is_reported_in_advance(places: Path, place: str) -> None:
    with pytest.raises(UserError, match=r"^--out: .* cannot be written to \(.+\); name another place\."):
        require_writable(places / place, "--out", folder=True)
    assert _names(places) == ["file", "folder", "ring"]


@pytest.mark.parametrize(("place", "folder"), [("new/er/a", False), ("new/er", True), ("folder", True), ("file", False)])
def test_checking_a_writable_path_leaves_everything_as_it_is(places: Path, place: str, folder: bool) -> None:
    require_writable(places / place, "--out", folder=folder)
    assert _names(places) == ["file", "folder", "ring"]


def test_a_device_counts_as_writable() -> None:
    require_writable(Path("/dev/null"), "--json")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 5_000])
def test_invalid_json_is_reported_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json: cannot be read \(.+\); name another\.$"):
        read_json(tmp_path / "a.json", "name another")
