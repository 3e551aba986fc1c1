"""Read untrusted files: any failure becomes one sentence, and no control character reaches a terminal.

A damaged file can make a library raise almost anything (h5py alone: OSError, KeyError, TypeError, ValueError,
RuntimeError …), so their exceptions are not listed. Instead, the calls that read, and nothing else, go into a `reading`
block.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from perturb.errors import UserError
from perturb.escapes import in_line

if TYPE_CHECKING:
    import h5py

LONGEST_MESSAGE = 240
"""Number of characters to show of a library's message, which may quote the file."""
LARGEST_TEXT = 1 << 26
"""Bytes; a larger text file is not read."""
LARGEST_ATTRIBUTE = 1 << 20
"""Bytes; a larger attribute of an HDF5 file is not read."""
WEB_PAGE = (b"<!doctype html", b"<html")
UNREADABLE = "(cannot be shown)"


@contextmanager
def reading(path: Path, remedy: str, finding: str = "cannot be read") -> Iterator[None]:
    """Turn anything raised while a file is read into one sentence. Only code that reads belongs in the block.

    Args:
        path: path of the file.
        remedy: what to do; the end of the sentence.
        finding: what is wrong; the beginning of the sentence.

    Raises:
        UserError: the file cannot be read.

    """
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; {remedy}.") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder; {remedy}.") from error
    except Exception as error:
        reason = "it is a web page, as servers send in place of a file" if _is_web_page(path) else reason_of(error)
        raise UserError(f"{path}: {finding} ({reason}); {remedy}.") from error


def bytes_of(path: Path, remedy: str, *, largest: int = LARGEST_TEXT) -> bytes:
    """Return a regular file's bytes.

    Raises:
        UserError: it is not a regular file, has more than `largest` bytes, or cannot be read.

    """
    with reading(path, remedy):
        return read_regular(path, largest)


def read_regular(path: Path, largest: int) -> bytes:
    """Return all bytes of an untrusted regular file.

    Raises:
        OSError: it cannot be read, is not a regular file, or has more than `largest` bytes; `strerror` says which.

    """
    with opened(path) as file:
        content = file.read(largest + 1) or b""  # None: no data yet, in a file that the system generates
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"it has more than {largest:,} bytes")
    return content


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a regular file; raise OSError for anything else, because a device may have no end, and a pipe no writer."""
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        yield file


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; if it is a pipe, do not wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def text_of(path: Path, remedy: str, *, largest: int = LARGEST_TEXT) -> str:
    """Return a UTF-8 file's text, without the byte-order mark that some editors add; raise as `bytes_of` does."""
    content = bytes_of(path, remedy, largest=largest)
    with reading(path, remedy):
        return content.decode("utf-8-sig")


@contextmanager
def opened_hdf5(path: Path, remedy: str, finding: str = "cannot be read as HDF5") -> Iterator["h5py.File"]:
    """Open an HDF5 file. Errors in the block become one sentence too, because h5py reads values lazily.

    The file is opened without a lock: files get their names when they are finished, so nobody writes to a file while it is
    read, and some file systems have no locks.

    Raises:
        UserError: it is not an HDF5 file, its writer has not closed it, or it is damaged.

    """
    import h5py

    with reading(path, remedy, finding), h5py.File(path, "r", locking=False) as file:
        yield file


def attributes_of(file: "h5py.File") -> dict[str, Any]:
    """Return the attributes of any HDF5 file as plain values, arrays as lists; UNREADABLE replaces all other values.

    An attribute may have a type that Python lacks (HDF5's times and opaque types), and its header may claim any size.
    """
    return {name: _attribute(file, name) for name in file.attrs}


def _attribute(file: "h5py.File", name: str) -> Any:  # noqa: ANN401
    import numpy as np

    try:
        stored = file.attrs.get_id(name)
        if np.prod(stored.shape or (), dtype=float) * stored.dtype.itemsize > LARGEST_ATTRIBUTE:
            return UNREADABLE
        value = file.attrs[name]
    except Exception:  # h5py's type conversion raises whatever numpy raises
        return UNREADABLE
    return _plain(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str | int | float | bool) else UNREADABLE


def reason_of(error: Exception) -> str:
    """Return what went wrong, in one line, in the words of the system or library."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8, at byte {error.start:,}"
    message = (error.strerror if isinstance(error, OSError) else None) or str(error)
    lines = message.strip().splitlines() or [type(error).__name__]
    return in_line(lines[0].strip().rstrip("."), LONGEST_MESSAGE)


def _is_web_page(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(WEB_PAGE)
    except OSError:
        return False
