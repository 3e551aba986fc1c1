"""Files are verified by content once per process, and again whenever they may have been written to."""

import os
import time
from pathlib import Path

import pytest
from damage import DAMAGES, flip

from perturb import proofs
from perturb.files import sha256_of
from perturb.proofs import damage_of, proved


@pytest.fixture
def old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file whose last write is longer ago than a tick of the coarsest clock."""
    monkeypatch.setattr(proofs, "COARSEST_CLOCK", 20_000_000)
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 64)
    time.sleep(0.1)
    return path


def _counted(path: Path, claim: str) -> tuple[bool, int]:
    """Return whether a claim holds, and how often the file was read to check it."""
    reads = []
    held = proved(path, claim, lambda: (reads.append(1), sha256_of(path) == claim)[1])
    return held, len(reads)


def test_an_unchanged_file_is_hashed_only_once(old_file: Path) -> None:
    claim = sha256_of(old_file)
    assert [_counted(old_file, claim) for _ in range(3)] == [(True, 1), (True, 0), (True, 0)]


def test_a_different_claim_about_the_same_file_is_checked_separately(old_file: Path) -> None:
    assert _counted(old_file, sha256_of(old_file)) == (True, 1)
    assert _counted(old_file, "0" * 64) == (False, 1)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_to_an_already_verified_file_is_detected(damage: object, old_file: Path) -> None:
    recorded = {"size": old_file.stat().st_size, "sha256": sha256_of(old_file)}
    assert damage_of(old_file, **recorded) is None
    assert damage_of(old_file, **recorded) is None
    damage(old_file)
    assert damage_of(old_file, **recorded) is not None


def test_a_recently_written_file_is_hashed_again_even_if_its_timestamps_match(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"right")
    claim = sha256_of(path)
    assert _counted(path, claim) == (True, 1)
    assert _counted(path, claim) == (True, 1), "a second write within a clock tick may leave the same timestamps"


def test_damage_is_described_in_words(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"right")
    recorded = {"size": 5, "sha256": sha256_of(path)}
    path.write_bytes(b"wrong")
    assert damage_of(path, **recorded) == "does not have the bytes that were recorded when it was written"
    path.write_bytes(b"no")
    assert damage_of(path, **recorded) == "has 2 bytes and must have 5"
    path.unlink()
    assert damage_of(path, **recorded) == "cannot be read (No such file or directory)"


def test_verification_results_can_be_handed_over_and_later_changes_are_still_detected(
    old_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = sha256_of(old_file)
    assert _counted(old_file, claim) == (True, 1)
    handed_over = proofs.proofs()
    monkeypatch.setattr(proofs, "_proved", {})
    proofs.adopt(handed_over)
    assert _counted(old_file, claim) == (True, 0)
    flip(old_file)
    assert _counted(old_file, claim) == (False, 1)


def test_a_copy_of_a_verified_file_is_verified_separately(old_file: Path, tmp_path: Path) -> None:
    claim = sha256_of(old_file)
    assert _counted(old_file, claim) == (True, 1)
    os.rename(old_file, tmp_path / "moved")
    (tmp_path / "file").write_bytes((tmp_path / "moved").read_bytes())
    assert _counted(old_file, claim) == (True, 1)
