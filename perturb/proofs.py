"""Proof that a file still has the content that was recorded when it was written.

A process proves a file once, by all of its bytes, and remembers the file's stamp: device, inode, size, and the times at
which content and inode last changed. While the stamp is the same, the file is not read again.

A stamp gives away every write, truncation and replacement that goes through the file system, also where a program sets the
modification time back, because the system alone sets the time of the inode's change. It does not give away bits that decay
on a disk, writes to a disk below its file system, a clock that is set back, or writes through a shared memory map where the
file system notes no times for them (tmpfs). So stamps are never kept on a disk: every process proves what it reads, unless
the process that started it hands over what it has proved itself.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from perturb.errors import UserError
from perturb.files import sha256_of

COARSEST_CLOCK = 2_000_000_000
"""Nanoseconds in which two writes may leave the same times behind, on the coarsest of file systems; a file that has changed
more recently is proved anew each time."""

Stamp = tuple[int, ...]
Proofs = Mapping[str, tuple[Stamp, str]]
"""The files that a process has checked: for each path, the file's stamp and the claim that held."""

_proved: dict[str, tuple[Stamp, str]] = {}


def proved(path: Path, claim: str, check: Callable[[], bool]) -> bool:
    """Return whether a claim about a file's content holds; it is checked once for each process and content.

    Args:
        path: of the file.
        claim: what is claimed, in a form of its own for each kind of claim.
        check: reads the file and answers.

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
    """Return what is wrong with a file, in words, or None if it has the bytes that were recorded.

    Args:
        path: of the file.
        size: recorded, in bytes.
        sha256: recorded, in hexadecimal.

    """
    try:
        found = path.stat().st_size
        if found != size:
            return f"has {found:,} bytes and must have {size:,}"
        if not proved(path, sha256, lambda: sha256_of(path) == sha256):
            return "has other bytes than were recorded when it was written"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except UserError:
        return "cannot be read"
    return None


def proofs() -> Proofs:
    """Return the files that this process has checked, so that a process that it starts need not check them again."""
    return dict(_proved)


def adopt(handed_over: Proofs) -> None:
    """Take over the files that the parent process has checked."""
    _proved.update(handed_over)


def _stamp_of(path: Path) -> Stamp:
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
