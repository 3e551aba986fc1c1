"""The scheduler, which keeps workers of any kind busy with the runs of a plan.

Stages are finished in order, but a worker that would be idle takes a run of a later stage if its inputs exist: models are
retrained on the original while m_ψ is still training.
"""

import math
import time
from collections import Counter
from collections.abc import Callable
from itertools import chain, islice
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from perturb.datasets.saved_images import remove_images
from perturb.errors import UserError
from perturb.execution.build import WorkerLost
from perturb.execution.origin import WorkerMismatch
from perturb.experiment.plan import Plan, PlannedStage
from perturb.runs import RunSpec, Store

TRIES = 3
"""Number of workers that may die on a run before it is given up."""
SECONDS_BETWEEN_BEATS = 2.0
SECONDS_UNTIL_SEEN = 60.0
"""Time that a network file system may take to show a finished run to another machine."""


class Future(Protocol):
    """The interface of the result of `submit`. Futures of concurrent.futures and of Prefect have it."""

    def add_done_callback(self, fn: Callable[[Any], None], /) -> object:
        """Call `fn` when the work has ended, whether or not it succeeded."""


class StageError(Exception):
    """Some runs failed. The others are complete, and another `perturb run` continues from there."""


class Scheduler:
    """Distributes the runs of a plan to workers.

    Args:
        plan: the runs to build.
        store: where they are stored.
        submit: starts runs of one family as one unit of work, and returns its future.
        error_of: returns the exception of a finished future, or None.
        workers: maximum number of units of work under way.
        stack: maximum number of runs in a unit; fewer if other workers would be left without work.
        heartbeat: called every few seconds while units are under way. It may raise if no worker is left.

    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        *,
        submit: Callable[[list[RunSpec]], Future],
        error_of: Callable[[Any], BaseException | None],
        workers: int,
        stack: int = 1,
        heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        self._heartbeat, self._last_beat = heartbeat, time.monotonic()
        self._store, self._submit, self._error_of, self._workers, self._stack = store, submit, error_of, workers, stack
        # By id: two methods with the same settings share their runs.
        runs = {spec.id: spec for stage in plan.stages for spec in stage.runs}
        self._planned, self._readers = set(runs), plan.readers
        store.set_aside_damaged(runs.values(), whole=[plan.report])
        self._waiting = [spec for spec in runs.values() if not store.is_complete(spec)]
        self._under_way: list[list[RunSpec]] = []
        self._ended: SimpleQueue[tuple[list[RunSpec], Any]] = SimpleQueue()
        self._errors: dict[str, tuple[RunSpec, BaseException]] = {}
        self._lost: Counter[str] = Counter()

    def finish(self, stage: PlannedStage, *, last: bool = False) -> None:
        """Work until every run of a stage is complete or has failed, then raise the stage's errors.

        Args:
            stage: a stage of the plan. The stages before it are finished.
            last: whether to start no runs of later stages.

        """
        own = {spec.id for spec in stage.runs}
        while True:
            self._hand_out(own if last else self._planned)
            open_runs = [spec for spec in chain(self._waiting, *self._under_way) if spec.id in own]
            if not self._under_way or not open_runs:
                break
            unit, future = self._next_ended()
            self._under_way.remove(unit)
            self._see_to(unit, self._error_of(future))
            self._make_room()
        self._make_room()
        self._raise_errors(own)

    def _next_ended(self) -> tuple[list[RunSpec], Any]:
        """Wait for a unit to end, with regular heartbeats."""
        while True:
            if time.monotonic() - self._last_beat > SECONDS_BETWEEN_BEATS:
                self._heartbeat()
                self._last_beat = time.monotonic()
            try:
                return self._ended.get(timeout=SECONDS_BETWEEN_BEATS)
            except Empty:
                continue

    def _see_to(self, unit: list[RunSpec], error: BaseException | None) -> None:
        """Record the error of a unit. Runs that were lost with their worker go back to the head of the queue."""
        left = [spec for spec in unit if not self._store.is_complete(spec)]
        if isinstance(error, WorkerMismatch):
            raise error
        if isinstance(error, WorkerLost):
            self._lost.update({spec.id: error.workers for spec in left})
            given_up = [spec for spec in left if self._lost[spec.id] >= TRIES]
            self._errors |= {spec.id: (spec, _given_up(spec, error)) for spec in given_up}
            self._waiting = [spec for spec in left if spec not in given_up] + self._waiting
        elif error is not None:
            self._errors |= {spec.id: (spec, error) for spec in left}
        else:
            for spec in left:
                self._wait_until_seen(spec)

    def _make_room(self) -> None:
        """Remove unpacked images, gigabytes on a full grid, as soon as all runs of the plan that read them are complete."""
        for pixels, readers in list(self._readers.items()):
            if all(map(self._store.is_complete, readers)):
                remove_images(self._store.path(pixels))
                del self._readers[pixels]

    def _wait_until_seen(self, spec: RunSpec) -> None:
        """Wait until a run that a worker reports as complete becomes visible here."""
        deadline = time.monotonic() + SECONDS_UNTIL_SEEN
        while not self._store.is_complete(spec):
            if time.monotonic() > deadline:
                raise UserError(
                    f"{spec.label}: a worker says that it is done, but {self._store.path(spec)} is not there; the artifacts "
                    "folder must be the same for the flow and all workers."
                )
            time.sleep(0.5)
            list(self._store.path(spec).parent.glob("*"))  # makes a network file system look again

    def _hand_out(self, allowed: set[str]) -> None:
        """Start runs that are ready, in the plan's order, while workers are idle."""
        while len(self._under_way) < self._workers:
            ready = [spec for spec in self._waiting if spec.id in allowed and self._is_ready(spec)]
            if not ready:
                return
            unit = self._choose(ready)
            self._waiting = [spec for spec in self._waiting if spec not in unit]
            self._start(unit)

    def _choose(self, ready: list[RunSpec]) -> list[RunSpec]:
        """Choose the next unit, preferably of runs that no other flow builds. A run that has lost a worker goes alone."""
        free = (spec for spec in ready if not self._is_taken(spec))
        first = next(free, ready[0])
        size = min(self._stack, math.ceil(len(ready) / self._workers))
        if size == 1 or self._lost[first.id]:
            return [first]
        return [first, *islice((spec for spec in free if spec.family == first.family), size - 1)]

    def _is_taken(self, spec: RunSpec) -> bool:
        """Return whether another flow is building the run, or an unplanned input that would be built along with it."""
        own = [needed for needed in spec.inputs.values() if needed.id not in self._planned]
        return self._store.is_being_built(spec) or any(self._is_taken(needed) for needed in own)

    def _start(self, unit: list[RunSpec]) -> None:
        future = self._submit(unit)
        self._under_way.append(unit)
        future.add_done_callback(lambda future: self._ended.put((unit, future)))

    def _is_ready(self, spec: RunSpec) -> bool:
        """Return whether all inputs are complete, or are unplanned and will be built along with the run."""
        return all(
            self._store.is_complete(needed) or (needed.id not in self._planned and self._is_ready(needed))
            for needed in spec.inputs.values()
        )

    def _raise_errors(self, own: set[str]) -> None:
        """Raise a UserError as it is, and any other error as a StageError that names the runs.

        Errors of later stages are raised when their stage is finished.
        """
        errors = [pair for key, pair in self._errors.items() if key in own]
        user_errors = [error for _, error in errors if isinstance(error, UserError)]
        if user_errors:
            more = f" ({len(errors) - 1} more of this stage failed.)" if len(errors) > 1 else ""
            raise UserError(f"{user_errors[0]}{more}") from user_errors[0]
        if errors:
            names = ", ".join(spec.label for spec, _ in errors)
            first = errors[0][1]
            raise StageError(
                f"{len(errors)} of {len(own)} runs broke ({names}); the others are kept; run the same command again to "
                f"resume. The first error: {type(first).__name__}: {first}"
            ) from first


def _given_up(spec: RunSpec, error: WorkerLost) -> UserError:
    return UserError(
        f"{spec.label}: {TRIES} workers died while they built it ({error}), so it is given up; if memory is short, use "
        "fewer --workers or a smaller batch. Everything else is kept; run the same command again to resume."
    )
