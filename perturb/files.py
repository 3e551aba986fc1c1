"""Atomic file writes.

Every file is written to a temporary sibling, flushed to disk, and renamed. A reader never sees a partial file, even if the
writer is killed.
"""

import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from perturb.errors import UserError
from perturb.reading import bytes_of, opened, reading, reason_of

HINT = 48
"""Characters of a file's name to repeat in its temporary sibling's name. A name may have 255 bytes, and a character 4."""


class Unwritable(UserError):
    """Raised for a path that cannot be written to; `errno` is the system's error code."""

    def __init__(self, sentence: str, code: int | None) -> None:
        super().__init__(sentence)
        self.errno = code


@contextmanager
def atomic_write(path: Path, *, needed: int | None = None) -> Iterator[Path]:
    """Yield a temporary file to write to; rename it to `path` when the block ends without an exception.

    The temporary file is a sibling of `path`. A symbolic link stays a link, and its target is replaced. Anything that is not
    a regular file (/dev/null, a pipe, one of this process's own streams) is never replaced; the finished content is written
    to it instead.

    Args:
        path: path of the finished file; its folder is created if missing.
        needed: bytes that the file takes, for the error message.

    Raises:
        Unwritable: the file cannot be written; nothing is left behind.

    """
    try:
        if _is_stream(path):
            with tempfile.TemporaryDirectory(prefix="perturb-") as folder:
                part = Path(folder) / "content"
                yield part
                with part.open("rb") as content, _opened_stream(path) as stream:
                    shutil.copyfileobj(content, stream)
        else:
            with _sibling_of(path.resolve()) as part:
                yield part
    except OSError as error:
        size = f"at most {needed:,} bytes are needed, and " if needed is not None else ""
        raise Unwritable(
            f"{path}: cannot be written ({reason_of(error)}); {size}nothing was left behind.", error.errno
        ) from error


@contextmanager
def _sibling_of(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`, and rename it to `path` at the end."""
    part = path.with_name(f"{path.name[:HINT]}.{uuid.uuid4().hex[:8]}.part")
    with made_folder(path.parent):
        try:
            yield part
            flush_to_disk(part)
            os.replace(part, path)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
    with suppress(OSError):  # not every file system can flush folders, and a folder may be writable but not readable
        flush_to_disk(path.parent)


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Create a folder if it is missing; if the block fails, remove those of the created folders that are empty."""
    missing = [each for each in (folder, *folder.parents) if not _is_there(each)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in missing:
            with suppress(OSError):
                each.rmdir()
        raise


def _is_stream(path: Path) -> bool:
    """Return whether to write through a path, not replace it: it is not a regular file, or is a stream of this process."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return not stat.S_ISREG(status.st_mode) or _own_stream(status) is not None


def _own_stream(status: os.stat_result) -> int | None:
    """Return the descriptor (1 or 2) if a file is one of this process's standard streams.

    The file may still be a regular one: /dev/stdout can lead to a file.
    """
    for descriptor in (1, 2):
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), status):
                return descriptor
    return None


def _opened_stream(path: Path) -> IO[bytes]:
    own = _own_stream(path.stat())
    if own is None:
        return path.open("wb")
    sys.stdout.flush()
    sys.stderr.flush()
    return os.fdopen(os.dup(own), "wb")


def require_writable(path: Path, name: str, *, folder: bool = False) -> None:
    """Check, before any work is done, that a file or folder can be written at a path.

    Args:
        path: file that will be written, or folder that will be written to; it need not exist.
        name: option or argument that gave the path, for the error message.
        folder: whether the path is a folder.

    Raises:
        UserError: the path exists as the other kind, its name is invalid, or nothing can be written there.

    """
    try:
        _try_place(path, folder=folder)
    except (OSError, ValueError) as error:
        raise UserError(f"{name}: {path} cannot be written to ({reason_of(error)}); name another place.") from error


def _try_place(path: Path, *, folder: bool) -> None:
    """Raise what the system would raise later, by creating and removing a folder in the nearest existing folder."""
    if _is_there(path) and not (folder and path.is_dir()):
        if folder:
            raise NotADirectoryError(errno.ENOTDIR, "it is a file")
        if _is_stream(path):
            return
    place = path.resolve()
    missing = [place] if not folder else []
    nearest = place if folder else place.parent
    while not _is_there(nearest):
        missing.append(nearest)
        nearest = nearest.parent
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{nearest} is a file")
    longest = os.pathconf(nearest, "PC_NAME_MAX")
    if any(len(os.fsencode(each.name)) > longest for each in missing):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    probe = nearest / f".perturb-{uuid.uuid4().hex[:8]}.part"
    probe.mkdir()
    probe.rmdir()


def _is_there(path: Path) -> bool:
    """Return whether something exists at a path; unlike Path.exists, raise an OSError if that cannot be determined."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def require_free_space(path: Path, needed: int, *, total: int, folder: Path | None = None) -> None:
    """Check that the disk has room for the next part of a file.

    Args:
        path: file that is being written.
        needed: bytes that must fit now.
        total: bytes that the whole file may need, for the error message.
        folder: a folder on the disk; None: the path's folder.

    Raises:
        UserError: the disk has too little room.

    """
    folder = folder or path.parent
    if (free := shutil.disk_usage(folder).free) < needed:
        raise UserError(
            f"{path}: needs up to {total / 1e9:,.2f} GB, and {folder} has {free / 1e9:,.2f} GB left; make room or name "
            "another folder. Nothing was left behind."
        )


@contextmanager
def disk_full_as_user_error(folder: Path, what: str) -> Iterator[None]:
    """Turn the many errors that libraries raise on a full disk into one sentence.

    Args:
        folder: a folder on the disk.
        what: name of what is being written, for the error message.

    Raises:
        UserError: the disk is full.

    """
    before = shutil.disk_usage(folder).free
    try:
        yield
    except Exception as error:
        if getattr(error, "errno", None) not in (errno.ENOSPC, errno.EDQUOT) and "No space left on device" not in str(error):
            raise
        raise UserError(
            f"{what}: the disk of {folder} is full; {before / 1e9:,.3f} GB were free when this began, and it needs more; "
            "make room and run the same command again to resume."
        ) from error


def flush_to_disk(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401
    """Write indented JSON with sorted keys, atomically; NaN and infinity raise a ValueError, because JSON has neither."""
    write_text(path, as_json(value))


def as_json(value: Any) -> str:  # noqa: ANN401
    """Return the text that `write_json` writes."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"


def read_json(path: Path, remedy: str = "make it again") -> Any:  # noqa: ANN401
    """Read a JSON file.

    Args:
        path: path of the file.
        remedy: what to do if it cannot be read, for the error message.

    Raises:
        UserError: the file cannot be read or is not JSON.

    """
    content = bytes_of(path, remedy)
    with reading(path, remedy):
        return json.loads(content)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal; raise as `digests_of` does."""
    return digests_of(path, ["sha256"])["sha256"]


def digests_of(path: Path, kinds: Sequence[str]) -> dict[str, str]:
    """Return several digests of a file's bytes in hexadecimal, keyed by their names in hashlib; the file is read once.

    Raises:
        UserError: the file cannot be read.

    """
    hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with reading(path, "see that it is there and may be read"), opened(path) as file:
        while block := file.read(1 << 20):
            for digest in hashes.values():
                digest.update(block)
    return {kind: digest.hexdigest() for kind, digest in hashes.items()}
