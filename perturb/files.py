"""Files that appear whole or not at all.

Everything is written to a temporary sibling, flushed to the disk, and renamed; a reader never sees half a file, whatever
killed the writer.
"""

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from perturb.errors import UserError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to write to; rename it to `path` when the block ends without an exception."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        flush_to_disk(part)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    flush_to_disk(path.parent)


def require_free_space(path: Path, needed: int, *, total: int) -> None:
    """Refuse to go on writing a file for which the disk has too little room.

    Args:
        path: what is being written.
        needed: bytes that must fit at this moment.
        total: bytes that the whole file may need, for the message.

    Raises:
        UserError: there is too little room.

    """
    folder = path.parent
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
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_of(path: Path, kinds: Sequence[str]) -> dict[str, str]:
    """Several digests of a file's bytes, in hexadecimal, by their names in hashlib; the file is read once."""
    hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            for digest in hashes.values():
                digest.update(block)
    return {kind: digest.hexdigest() for kind, digest in hashes.items()}
