import hashlib
import math
from pathlib import Path

import pytest

from perturb.files import atomic_write, digests_of, read_json, sha256_of, write_json, write_text


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_under_its_name_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.txt"
    with atomic_write(target) as part:
        part.write_text("whole")
        assert part.parent == target.parent
        assert not target.exists()
    assert target.read_text() == "whole"
    assert _names(target.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_exception_in_the_block_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), atomic_write(tmp_path / "a.txt") as part:  # noqa: PT012
        part.write_text("half")
        raise error
    assert _names(tmp_path) == []


def test_exception_before_anything_is_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too early"), atomic_write(tmp_path / "a.txt"):
        raise ValueError("too early")
    assert _names(tmp_path) == []


def test_existing_file_survives_a_failed_rewrite(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(ValueError, match="broken"), atomic_write(target) as part:  # noqa: PT012
        part.write_text("new, but only ha")
        raise ValueError("broken")
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


def test_rewrite_replaces_the_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "a long old text")
    write_text(target, "ψ")
    assert target.read_bytes() == "ψ".encode()


def test_two_writers_of_one_file_do_not_share_a_part(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.txt") as first, atomic_write(tmp_path / "a.txt") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a.txt").read_text() == "first"
    assert _names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_refuses_what_json_has_not(tmp_path: Path, value: float) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"score": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(target, {"score": value})
    assert read_json(target) == {"score": 1.0}


def test_json_reads_back_and_does_not_depend_on_the_order_of_keys(tmp_path: Path) -> None:
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
def test_sha256_of_known_bytes(tmp_path: Path, content: bytes, digest: str) -> None:
    (tmp_path / "a.bin").write_bytes(content)
    assert sha256_of(tmp_path / "a.bin") == digest


def test_sha256_reads_a_file_larger_than_its_buffer_to_the_end(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4_096
    (tmp_path / "a.bin").write_bytes(content)
    assert sha256_of(tmp_path / "a.bin") == hashlib.sha256(content).hexdigest()


def test_several_digests_come_of_one_reading(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5_000
    (tmp_path / "a").write_bytes(content)
    expected = {"md5": hashlib.md5(content).hexdigest(), "sha256": sha256_of(tmp_path / "a")}
    assert digests_of(tmp_path / "a", ("md5", "sha256")) == expected
