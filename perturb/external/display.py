"""Progress of an evaluation: a line for each run that has ended, with the estimated time for the rest."""

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from perturb.escapes import in_terminal
from perturb.external.plan import ExternalResult
from perturb.metrics import METRICS
from perturb.progress import duration, read_fraction
from perturb.runs import RunSpec, Store

SECONDS_BETWEEN_LOOKS = 0.5


class Watcher:
    """Shows the progress of runs on stderr, with a bar if that is a terminal.

    Args:
        specs: all runs.
        store: the store of finished runs.
        workers: number of runs at a time.
        steps: number of steps of each run; None if the model trains itself, or not at all.
        quiet: whether to show nothing.

    """

    def __init__(self, specs: Sequence[RunSpec], store: Store, *, workers: int, steps: int | None, quiet: bool) -> None:
        self._specs, self._store, self._workers, self._steps = specs, store, workers, steps
        self._console = Console(stderr=True, quiet=quiet)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
        shown = self._console.is_terminal and not quiet
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not shown)
        self._task = self._bar.add_task("runs", total=len(specs), note="")
        self._done = sum(store.is_complete(spec) for spec in specs)
        self._seconds: list[float] = []
        self._looked = 0.0

    def __enter__(self) -> "Watcher":
        if self._done:
            self._console.print(f"{self._done} of {len(self._specs)} runs were there already", highlight=False)
        if missing := [spec for spec in self._specs if not self._store.is_complete(spec)]:
            together = min(self._workers, len(missing))
            work = (
                f"{len(missing)} run{'s' if len(missing) > 1 else ''}{f' of {self._steps:,} steps' if self._steps else ''}"
            )
            line = f"{work}, {together} at a time; the remaining time is known once the first has ended"
            self._console.print(line, highlight=False, soft_wrap=True)
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def ended(self, spec: RunSpec, result: ExternalResult, seconds: float) -> None:
        """Print how a run ended and how long it took, with the traceback if its code raised an exception."""
        self._done += 1
        self._seconds.append(seconds)
        if result.traceback:
            self._console.print(in_terminal(*result.traceback.splitlines()), highlight=False, soft_wrap=True)
        line = f"{spec.label}: {_outcome(result)} ({seconds:.0f} s); {self._done} of {len(self._specs)} runs done"
        line += f", about {duration(self._remaining())} left" if self._done < len(self._specs) else ""
        self._console.print(in_terminal(line), highlight=False, soft_wrap=True)

    def look(self) -> None:
        """Update the bar, at most once every SECONDS_BETWEEN_LOOKS."""
        if time.monotonic() - self._looked < SECONDS_BETWEEN_LOOKS or self._bar.disable:
            return
        self._looked = time.monotonic()
        note = f"{self._done}/{len(self._specs)}"
        note += f", about {duration(self._remaining())} left" if self._seconds else ""
        self._bar.update(self._task, completed=self._done + sum(self._under_way()), note=note)

    def _under_way(self) -> list[float]:
        """Return the fraction done of each unfinished run, as far as it is reported."""
        return [read_fraction(self._store.scratch(s))[0] for s in self._specs if not self._store.is_complete(s)]

    def _remaining(self) -> float:
        """Return the remaining seconds, assuming that the remaining runs take as long as those that have ended."""
        missing = len(self._specs) - self._done - sum(self._under_way())
        return max(0.0, missing) * sum(self._seconds) / len(self._seconds) / self._workers


def _outcome(result: ExternalResult) -> str:
    if result.scores is None:
        return f"FAILED, {result.failure}"
    shown = [f"{METRICS[name].title} {value:.3f}" for name, value in result.scores.items()]
    return ", ".join([*shown, *(f"{METRICS[name].title} –" for name in result.refused)])
