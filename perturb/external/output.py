"""Excerpts of the text that a run has printed or raised: its beginning, its end, and the number of bytes left out."""

from pathlib import Path

BEGINNING, END = 8_000, 24_000
"""Bytes to keep at each end."""
LARGEST_OUTPUT = 1 << 30
"""Bytes of output on disk above which a run is killed."""


def size_of(path: Path) -> int:
    """Return a file's size in bytes; 0 if it no longer exists, as happens at the end of a run."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def excerpt_of_file(path: Path) -> str:
    """Return a text file's content, or an excerpt if it is long; only the parts that are returned are read."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        if size <= BEGINNING + END:
            return _as_text(file.read())
        first = file.read(BEGINNING)
        file.seek(size - END)
        return _joined(first, file.read(END), left_out=size - BEGINNING - END)


def excerpt_of(text: str) -> str:
    """Return a text, or an excerpt if it is long."""
    whole = text.encode(errors="backslashreplace")
    if len(whole) <= BEGINNING + END:
        return _as_text(whole)
    return _joined(whole[:BEGINNING], whole[-END:], left_out=len(whole) - BEGINNING - END)


def _joined(first: bytes, last: bytes, *, left_out: int) -> str:
    return f"{_as_text(first)}\n[{left_out:,} bytes are left out here]\n{_as_text(last)}"


def _as_text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
