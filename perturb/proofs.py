"""Verify that a file still has the content that was recorded when it was written.

A process verifies a file once, by reading all of its bytes, and remembers the file's stamp: device, inode, size, and the
times at which content and inode last changed (mtime, ctime). While the stamp is unchanged, the file is not read again.

A stamp reveals every write, truncation and replacement that goes through the file system, even if a program sets mtime back,
because only the system sets ctime. It does not reveal bit rot, writes to the disk beneath the file system, a clock that is
set back, or writes through a shared memory map on a file system that records no times for them (tmpfs). Stamps are therefore
never stored on disk: every process verifies what it reads, unless its parent process hands over what it has verified itself.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from perturb.errors import UserError
from perturb.files import sha256_of

COARSEST_CLOCK = 2_000_000_000
"""Nanoseconds within which two writes may leave the same times on the coarsest file systems. A file that has changed more
recently is verified anew each time."""

Stamp = tuple[int, ...]
Proofs = Mapping[str, tuple[Stamp, str]]
"""The files that a process has verified: for each path, the file's stamp and the claim that held."""

_proved: dict[str, tuple[Stamp, str]] = {}


def proved(path: Path, claim: str, check: Callable[[], bool]) -> bool:
    """Return whether a claim about a file's content holds. Each process checks it once, until the content changes.

    Args:
        path: path of the file.
        claim: the claim as text, in a distinct format for each kind of claim.
        check: reads the file and returns whether the claim holds.

    """
    key, before, began = os.path.abspath(path), _stamp_of(path), time.time_ns()
    if _proved.get(key) == (before, claim):
        return True
    if not check():
        return False
    if _stamp_of(path) == before and began - max(before[-2:]) > COARSEST_CLOCK:
        _proved[key] = before, claim
    return True


def damage_of(path: Path, *, size: int, sha256: str) -> str | None:
    """Return what is wrong with a file, in words, or None if it has the recorded bytes.

    Args:
        path: path of the file.
        size: recorded size in bytes.
        sha256: recorded SHA-256 in hexadecimal.

    """
    try:
        actual = path.stat().st_size
        if actual != size:
            return f"has {actual:,} bytes and must have {size:,}"
        if not proved(path, sha256, lambda: sha256_of(path) == sha256):
            return "does not have the bytes that were recorded when it was written"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except UserError:
        return "cannot be read"
    return None


def proofs() -> Proofs:
    """Return the files that this process has verified, so that its child processes need not verify them again."""
    return dict(_proved)


def adopt(handed_over: Proofs) -> None:
    """Trust the files that the parent process has verified."""
    _proved.update(handed_over)


def _stamp_of(path: Path) -> Stamp:
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
