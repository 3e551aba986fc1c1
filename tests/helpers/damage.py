"""Ways of damaging a file."""

import mmap
import os
from collections.abc import Callable
from pathlib import Path


def flip(path: Path) -> None:
    """Flip a bit in the middle and restore the modification time."""
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(before.st_size // 2)
        byte = file.read(1)[0]
        file.seek(before.st_size // 2)
        file.write(bytes([byte ^ 4]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _mapped(path: Path) -> None:
    path.chmod(0o644)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[-1] ^= 1


def _truncate(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size // 2)


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(bytes(path.stat().st_size))
    os.replace(other, path)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "flipped": flip,
    "mapped": _mapped,
    "truncated": _truncate,
    "replaced": _replace,
    "emptied": lambda path: (path.chmod(0o644), path.write_bytes(b""))[0],
    "removed": Path.unlink,
}
