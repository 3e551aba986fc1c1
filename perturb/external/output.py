"""Excerpts of the text that a run has printed or raised: its beginning and its end, and how many bytes are left out."""

from pathlib import Path

BEGINNING, END = 8_000, 24_000
"""Bytes that are kept."""
LARGEST_OUTPUT = 1 << 30
"""Bytes on the disk above which a run is ended that goes on printing."""


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where it is not there any more, as happens at the end of a run."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def excerpt_of_file(path: Path) -> str:
    """Return a text file's content, or an excerpt of a long one; only the parts that are returned are read."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        if size <= BEGINNING + END:
            return _as_text(file.read())
        first = file.read(BEGINNING)
        file.seek(size - END)
        return _joined(first, file.read(END), left_out=size - BEGINNING - END)


def excerpt_of(text: str) -> str:
    """Return a text, or an excerpt of a long one."""
    whole = text.encode(errors="backslashreplace")
    if len(whole) <= BEGINNING + END:
        return _as_text(whole)
    return _joined(whole[:BEGINNING], whole[-END:], left_out=len(whole) - BEGINNING - END)


def _joined(first: bytes, last: bytes, *, left_out: int) -> str:
    return f"{_as_text(first)}\n[{left_out:,} bytes are left out here]\n{_as_text(last)}"


def _as_text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
