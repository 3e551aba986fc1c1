"""Files from elsewhere: whatever goes wrong while one is read is one sentence, and nothing of it acts on a terminal.

The libraries that read for us raise whatever they like at a damaged file (h5py alone: OSError, KeyError, TypeError,
ValueError, RuntimeError …), so nobody lists their exceptions: the calls that read stand in a `reading` block, alone.
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
"""Characters of a library's message that are shown: it may quote the file."""
LARGEST_TEXT = 1 << 26
"""Bytes; a larger text file is not read."""
LARGEST_ATTRIBUTE = 1 << 20
"""Bytes; a larger attribute of an HDF5 file is not read."""
WEB_PAGE = (b"<!doctype html", b"<html")
UNREADABLE = "(cannot be shown)"


@contextmanager
def reading(path: Path, remedy: str, finding: str = "cannot be read") -> Iterator[None]:
    """Turn whatever is raised while a file is read into one sentence. What is no reading does not belong into the block.

    Args:
        path: of the file.
        remedy: what to do, the end of the sentence.
        finding: what is wrong, its beginning.

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
    """A regular file's bytes.

    Raises:
        UserError: it is no such file, is larger, or cannot be read.

    """
    with reading(path, remedy):
        return read_regular(path, largest)


def read_regular(path: Path, largest: int) -> bytes:
    """Return all bytes of a regular file that anybody may have put there.

    Raises:
        OSError: it cannot be read, is no regular file, or has more than `largest` bytes; `strerror` says which.

    """
    with opened(path) as file:
        content = file.read(largest + 1) or b""  # None: nothing is there yet, in a file that the system makes up
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"it has more than {largest:,} bytes")
    return content


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a regular file; anything else is an OSError, because a device may have no end, and a pipe no writer."""
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        yield file


def _without_waiting(path: str, flags: int) -> int:
    """Open a file, and do not wait for somebody to write where it is a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def text_of(path: Path, remedy: str, *, largest: int = LARGEST_TEXT) -> str:
    """A UTF-8 file's text, without the byte-order mark that some editors begin it with; errors as `bytes_of`."""
    content = bytes_of(path, remedy, largest=largest)
    with reading(path, remedy):
        return content.decode("utf-8-sig")


@contextmanager
def opened_hdf5(path: Path, remedy: str, finding: str = "cannot be read as HDF5") -> Iterator["h5py.File"]:
    """Open an HDF5 file; whatever is raised in the block is a sentence too, for h5py reads when it is asked for a value.

    Without a lock: files get their names when they are finished, so nobody writes to one that is read, and some file
    systems have no locks.

    Raises:
        UserError: it is no HDF5 file, its writer has not closed it, or it is damaged.

    """
    import h5py

    with reading(path, remedy, finding), h5py.File(path, "r", locking=False) as file:
        yield file


def attributes_of(file: "h5py.File") -> dict[str, Any]:
    """Attributes of any HDF5 file as plain values, those that are arrays as lists; UNREADABLE where there is no such value.

    An attribute may have a type that Python lacks (HDF5's times and opaque types), and its header may promise any size.
    """
    return {name: _attribute(file, name) for name in file.attrs}


def _attribute(file: "h5py.File", name: str) -> Any:  # noqa: ANN401
    import numpy as np

    try:
        held = file.attrs.get_id(name)
        if np.prod(held.shape or (), dtype=float) * held.dtype.itemsize > LARGEST_ATTRIBUTE:
            return UNREADABLE
        value = file.attrs[name]
    except Exception:  # h5py's mapping of types raises whatever numpy does
        return UNREADABLE
    return _plain(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str | int | float | bool) else UNREADABLE


def reason_of(error: Exception) -> str:
    """Return what went wrong in the words of the system or of a library, one line."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8, at byte {error.start:,}"
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    lines = said.strip().splitlines() or [type(error).__name__]
    return in_line(lines[0].strip().rstrip("."), LONGEST_MESSAGE)


def _is_web_page(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(WEB_PAGE)
    except OSError:
        return False
