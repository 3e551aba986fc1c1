"""The files of a folder that a server may hand out: its index, the files that it lists, and a few companions by name."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from perturb.distribution.index import INDEX, LARGEST_INDEX, Index, parse_index
from perturb.errors import UserError

COMPANIONS = ("README.md", "croissant.json")
"""Public where they lie beside the index or a listed file."""


@dataclass(frozen=True)
class Published:
    """An opened public file."""

    file: BinaryIO
    size: int
    etag: str
    modified: float
    """Seconds since 1970."""


def published_index(folder: Path) -> Index:
    """The index of a folder as it is now.

    Raises:
        UserError: there is none, or it is broken.

    """
    path = folder / INDEX
    try:
        found = path.stat()
        return _parsed(path, found.st_mtime_ns, found.st_ino)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); `perturb dataset index {folder}` writes it.") from None


@lru_cache(maxsize=8)
def _parsed(path: Path, modified: int, number: int) -> Index:
    with path.open("rb") as file:
        return parse_index(file.read(LARGEST_INDEX + 1), str(path))


@contextmanager
def opened(folder: Path, name: str) -> Iterator[Published | None]:
    """A public file by its path below the folder, with forward slashes; None for anything else, whatever the reason.

    Raises:
        UserError: the index has become unreadable.

    """
    index = published_index(folder)
    listed = index.files
    descriptor = _descriptor(folder, name) if name == INDEX or name in listed or _is_companion(name, listed) else None
    if descriptor is None:
        yield None
        return
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        entry = listed.get(name)
        if entry is not None and entry.bytes != found.st_size:
            yield None
            return
        etag = entry.sha256 if entry is not None else f"{found.st_mtime_ns:x}-{found.st_size:x}"
        yield Published(file, found.st_size, f'"{etag}"', found.st_mtime)


def _is_companion(name: str, listed: dict) -> bool:
    path = PurePosixPath(name)
    beside = {PurePosixPath(".")} | {PurePosixPath(file).parent for file in listed}
    return path.name in COMPANIONS and path.as_posix() == name and path.parent in beside


def _descriptor(folder: Path, name: str) -> int | None:
    """The file, opened, unless it is missing or leads out of the folder; a pipe does not make us wait."""
    try:
        path = (folder / name).resolve(strict=True)
        if not path.is_relative_to(folder.resolve()):
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError, RuntimeError):
        return None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None
