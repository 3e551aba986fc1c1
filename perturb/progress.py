"""Report progress through the file system.

The process that builds a run writes a small file in the run's scratch folder now and then, and watchers read it. That works
the same for threads, processes, Dask workers and Prefect, and watchers may come and go.
"""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from perturb.escapes import in_line

SECONDS_BETWEEN_WRITES = 0.5
FILE_NAME = "progress.json"


class Progress:
    """Reports the progress of building one run."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._last_write = 0.0

    def __enter__(self) -> "Progress":
        self.report(0, 1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._path.unlink(missing_ok=True)

    def report(self, done: int, total: int, note: str = "") -> None:
        """Report that `done` of `total` is done. This is cheap: the file is written at most twice a second."""
        now = time.monotonic()
        if now - self._last_write < SECONDS_BETWEEN_WRITES:
            return
        self._last_write = now
        part = self._path.with_name(f"{FILE_NAME}.{uuid.uuid4().hex[:8]}.part")
        try:
            part.write_text(json.dumps({"done": done, "total": total, "note": note}))
            os.replace(part, self._path)
        except FileNotFoundError:
            # Another process has finished the same run first and removed the folder; nobody is left to read a report.
            return


class Part:
    """The progress of one of several equal pieces of work, reported as progress of the whole."""

    def __init__(self, whole: Progress, number: int, count: int) -> None:
        self._whole, self._number, self._count = whole, number, count

    def report(self, done: int, total: int, note: str = "") -> None:
        """Report progress within this piece; all pieces before it count as done."""
        self._whole.report(self._number * total + done, self._count * total, note)


class ProgressGroup:
    """The progress of runs that are built together."""

    def __init__(self, each: Sequence[Progress]) -> None:
        self._each = each

    def report(self, done: int, total: int, note: str = "") -> None:
        """Report the same progress for every run."""
        for progress in self._each:
            progress.report(done, total, note)


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar with the time left on stderr if it is a terminal; yield a function to call with (done, total)."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    with Bars(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(escape(in_line(title)))
        yield lambda done, total: progress.update(task, completed=done, total=total)


def duration(seconds: float) -> str:
    """Return a duration in words: `45 s`, `3 min 05 s`, `2 h 10 min`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


def read_fraction(folder: Path) -> tuple[float, str]:
    """Return the fraction of a run that is done, in [0, 1], and its note; (0, "") if nothing is known."""
    try:
        state = json.loads((folder / FILE_NAME).read_text())
        return min(1.0, state["done"] / max(1, state["total"])), str(state["note"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0, ""
