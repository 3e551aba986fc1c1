"""Progress of an experiment: a bar for each stage and one for the whole, with the estimated remaining time.

It only reads the run directories, so it does not depend on who executes the runs.
"""

import sys
import threading
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from perturb.experiment.plan import Plan, PlannedStage
from perturb.progress import duration, read_fraction
from perturb.runs import RunSpec, Store
from perturb.statistics.saved_scores import ScoresResult

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_LINES = 20.0
"""Seconds between lines, which replace the bars if the output is not a terminal."""


class PlanDisplay:
    """Shows a plan's progress on stderr until the block ends."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self._plan, self._store = plan, store
        self._complete: set[str] = set()
        self._failed: dict[str, bool] = {}
        self._console = Console(file=sys.stderr)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._started = time.monotonic()
        self._done_at_start = self._done()
        self._first_gain: tuple[float, float] | None = None

    def __enter__(self) -> "PlanDisplay":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def fraction(self) -> float:
        """Return the fraction that is done, in [0, 1]."""
        return self._done() / self._total()

    def _watch(self) -> None:
        if self._console.is_terminal:
            self._draw_bars()
        else:
            self._print_lines()

    def _draw_bars(self) -> None:
        columns = (
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=32),
            TextColumn("{task.fields[count]:>8}"),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
        )
        with Progress(*columns, console=self._console) as bars:
            rows = {stage.title: bars.add_task(stage.title, count="", note="") for stage in self._plan.stages}
            whole = bars.add_task("[bold]all", count="", note="")
            while True:
                stopping = self._stop.wait(SECONDS_BETWEEN_LOOKS)
                for stage in self._plan.stages:
                    done = sum(self._fraction(spec) * _cost(spec) for spec in stage.runs)
                    total = sum(_cost(spec) for spec in stage.runs)
                    count, note = self._count(stage), self._running(stage.runs)
                    bars.update(rows[stage.title], completed=done, total=total, count=count, note=note)
                bars.update(whole, completed=self._done(), total=self._total(), note=self._remaining())
                if stopping:
                    return

    def _print_lines(self) -> None:
        while True:
            stopping = self._stop.wait(SECONDS_BETWEEN_LINES)
            counts = [f"{stage.title} {self._count(stage)}" for stage in self._plan.stages]
            self._console.print(
                f"{self.fraction():4.0%}  {' · '.join(counts)}  {self._remaining()}", soft_wrap=True, highlight=False
            )
            if stopping:
                return

    def _count(self, stage: PlannedStage) -> str:
        """Format the count of a stage: `5/8`, or with failures `5/8, 1 failed`."""
        finished = [spec for spec in stage.runs if self._is_complete(spec)]
        failed = sum(self._has_failed(spec) for spec in finished)
        return f"{len(finished)}/{len(stage.runs)}" + (f", {failed} failed" if failed else "")

    def _has_failed(self, spec: RunSpec) -> bool:
        if spec.kind != "scores":
            return False
        if spec.id not in self._failed:
            self._failed[spec.id] = self._store.result(spec, ScoresResult).failure is not None
        return self._failed[spec.id]

    def _running(self, specs: tuple[RunSpec, ...]) -> str:
        """Describe the runs under way, with their progress and speed."""
        under_way = [(spec, self._fraction(spec)) for spec in specs if not self._is_complete(spec)]
        named = [f"{spec.label} {fraction:.0%} {self._note(spec)}".rstrip() for spec, fraction in under_way if fraction > 0]
        return "; ".join(named[:3]) + (" …" if len(named) > 3 else "")

    def _remaining(self) -> str:
        """Estimate the remaining time from the first progress on, since the start of servers and workers does not count."""
        now, done, total = time.monotonic(), self._done(), self._total()
        elapsed = now - self._started
        if done >= total:
            return f"done in {duration(elapsed)}"
        if self._first_gain is None and done > self._done_at_start:
            self._first_gain = (now, done)
        if self._first_gain is None or done <= self._first_gain[1]:
            return f"{duration(elapsed)} gone"
        since, at = self._first_gain
        return f"{duration(elapsed)} gone, about {duration((total - done) * (now - since) / (done - at))} left"

    def _done(self) -> float:
        return sum(self._fraction(spec) * _cost(spec) for stage in self._plan.stages for spec in stage.runs)

    def _total(self) -> float:
        return sum(_cost(spec) for stage in self._plan.stages for spec in stage.runs)

    def _fraction(self, spec: RunSpec) -> float:
        """Return the share of a run that is done; for scores, of the run together with its training."""
        if self._is_complete(spec):
            return 1.0
        trained = spec.inputs.get("restart")
        if trained is None:
            return read_fraction(self._store.scratch(spec))[0]
        share = 1.0 if self._is_complete(trained) else read_fraction(self._store.scratch(trained))[0]
        return share * trained.cost / _cost(spec)

    def _note(self, spec: RunSpec) -> str:
        return read_fraction(self._store.scratch(spec.inputs.get("restart", spec)))[1]

    def _is_complete(self, spec: RunSpec) -> bool:
        if spec.id not in self._complete and self._store.is_complete(spec):
            self._complete.add(spec.id)
        return spec.id in self._complete


def _cost(spec: RunSpec) -> float:
    trained = spec.inputs.get("restart")
    return spec.cost + (trained.cost if trained else 0.0)
