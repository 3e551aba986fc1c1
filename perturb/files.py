"""Files that appear whole or not at all.

Everything is written to a temporary sibling, flushed to the disk, and renamed; a reader never sees half a file, whatever
killed the writer.
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
"""Characters of a file's name in that of its temporary sibling: a name has 255 bytes at most, a character four."""


class Unwritable(UserError):
    """A place that cannot be written to; `errno` is the system's."""

    def __init__(self, sentence: str, code: int | None) -> None:
        super().__init__(sentence)
        self.errno = code


@contextmanager
def atomic_write(path: Path, *, needed: int | None = None) -> Iterator[Path]:
    """Yield a temporary file to write to; rename it to `path` when the block ends without an exception.

    The temporary file is a sibling. A link stays a link: what it leads to is replaced. What is no regular file, such as
    /dev/null, a pipe or one of this process's own streams, is never replaced: the finished content is written to it.

    Args:
        path: of the finished file; its folder is made where it is missing.
        needed: bytes that the file takes, for the message.

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
    """Yield a temporary sibling, and rename it to `path` in the end."""
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
    with suppress(OSError):  # not every file system flushes folders, and one may have the right to write but not to list
        flush_to_disk(path.parent)


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder where it is missing; if the block fails, what was made and is empty goes again."""
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
    """Return whether a path leads to something that is written through: no regular file, or a stream of this process."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return not stat.S_ISREG(found.st_mode) or _own_stream(found) is not None


def _own_stream(found: os.stat_result) -> int | None:
    """The descriptor, 1 or 2, of the standard stream that a file is, as /dev/stdout is one that may lead to a file."""
    for descriptor in (1, 2):
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), found):
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
    """Refuse a place, before any work is done for it, where a file or a folder cannot be made.

    Args:
        path: of a file that will be written, or of a folder that will be written to; existing or not.
        name: of the option or argument that gave it, for the message.
        folder: whether it is a folder.

    Raises:
        UserError: it is of the other kind, its name cannot be, or nothing can be written there.

    """
    try:
        _try_place(path, folder=folder)
    except (OSError, ValueError) as error:
        raise UserError(f"{name}: {path} cannot be written to ({reason_of(error)}); name another place.") from error


def _try_place(path: Path, *, folder: bool) -> None:
    """Raise what the system would later, at the nearest folder that is there: a folder is made in it and removed."""
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
    """Return whether there is something at a path; unlike Path.exists it raises where nobody may look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def require_free_space(path: Path, needed: int, *, total: int, folder: Path | None = None) -> None:
    """Refuse to go on writing a file for which the disk has too little room.

    Args:
        path: what is being written.
        needed: bytes that must fit at this moment.
        total: bytes that the whole file may need, for the message.
        folder: on the disk; None: that of the path.

    Raises:
        UserError: there is too little room.

    """
    folder = folder or path.parent
    if (free := shutil.disk_usage(folder).free) < needed:
        raise UserError(
            f"{path}: needs up to {total / 1e9:,.2f} GB, and {folder} has {free / 1e9:,.2f} GB left; make room or name "
            "another folder. Nothing was left behind."
        )


@contextmanager
def disk_full_as_user_error(folder: Path, what: str) -> Iterator[None]:
    """Turn the many errors that a full disk raises in libraries into one sentence.

    Args:
        folder: on the disk.
        what: is being written.

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
            "make room and run again, it goes on from what is kept."
        ) from error


def flush_to_disk(path: Path) -> None:
    """Ask the system to put a file's content, or a folder's entries, on the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all."""
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401
    """Write indented JSON with sorted keys; NaN and infinity are refused, because JSON has none."""
    write_text(path, as_json(value))


def as_json(value: Any) -> str:  # noqa: ANN401
    """The text that `write_json` writes."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"


def read_json(path: Path, remedy: str = "make it again") -> Any:  # noqa: ANN401
    """Read a JSON file.

    Args:
        path: of the file.
        remedy: what to do if it cannot be read.

    Raises:
        UserError: it cannot be read, or is no JSON.

    """
    content = bytes_of(path, remedy)
    with reading(path, remedy):
        return json.loads(content)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; errors as `digests_of`."""
    return digests_of(path, ["sha256"])["sha256"]


def digests_of(path: Path, kinds: Sequence[str]) -> dict[str, str]:
    """Several digests of a file's bytes, in hexadecimal, by their names in hashlib; the file is read once.

    Raises:
        UserError: it cannot be read.

    """
    hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with reading(path, "see that it is there and may be read"), opened(path) as file:
        while block := file.read(1 << 20):
            for digest in hashes.values():
                digest.update(block)
    return {kind: digest.hexdigest() for kind, digest in hashes.items()}
