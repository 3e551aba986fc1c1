"""Who works on what: keeps a number of workers busy with the runs of a plan, whoever the workers are.

Stages are finished in order, but a worker that would be idle takes a run of a later stage whose inputs are there: models
are retrained on the original while m_ψ still trains.
"""

import math
from collections.abc import Callable
from itertools import chain
from queue import SimpleQueue
from typing import Any, Protocol

from perturb.errors import UserError
from perturb.pipeline.plan import Plan, PlannedStage
from perturb.runs import RunSpec, Store


class Future(Protocol):
    """What `submit` must return; concurrent.futures and Prefect both do."""

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call back when the work has ended, however it ended."""


class StageError(Exception):
    """Some runs broke; the others are there, and another `perturb run` goes on from them."""


class Crew:
    """Hands out the runs of a plan.

    Args:
        plan: what is to be done.
        store: where it will be.
        submit: starts runs of one family as one unit of work, and returns its future.
        error_of: the exception that a finished future holds, or None.
        workers: units of work under way at a time.
        stack: runs in a unit, at most; less where others would be left without work.

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
    ) -> None:
        self._store, self._submit, self._error_of, self._workers, self._stack = store, submit, error_of, workers, stack
        # By id: two methods with the same settings share their runs.
        runs = {spec.id: spec for stage in plan.stages for spec in stage.runs}
        self._planned = set(runs)
        self._waiting = [spec for spec in runs.values() if not store.is_complete(spec)]
        self._under_way: list[list[RunSpec]] = []
        self._ended: SimpleQueue[tuple[list[RunSpec], Any]] = SimpleQueue()
        self._errors: dict[str, tuple[RunSpec, BaseException]] = {}

    def finish(self, stage: PlannedStage, *, last: bool = False) -> None:
        """Work until every run of a stage is there or has failed, then raise what went wrong in it.

        Args:
            stage: of the plan; those before it are finished.
            last: look no further than this stage.

        """
        own = {spec.id for spec in stage.runs}
        while True:
            self._hand_out(own if last else self._planned)
            open_runs = [spec for spec in chain(self._waiting, *self._under_way) if spec.id in own]
            if not self._under_way or not open_runs:
                break
            unit, future = self._ended.get()
            self._under_way.remove(unit)
            if (error := self._error_of(future)) is not None:
                self._errors |= {spec.id: (spec, error) for spec in unit if not self._store.is_complete(spec)}
        self._raise_errors(own)

    def _hand_out(self, allowed: set[str]) -> None:
        """Start what can be started, in the plan's order, while workers are idle."""
        while len(self._under_way) < self._workers:
            ready = [spec for spec in self._waiting if spec.id in allowed and self._is_ready(spec)]
            if not ready:
                return
            share = math.ceil(len(ready) / self._workers)
            unit = [spec for spec in ready if spec.family == ready[0].family][: min(self._stack, share)]
            self._waiting = [spec for spec in self._waiting if spec not in unit]
            self._start(unit)

    def _start(self, unit: list[RunSpec]) -> None:
        try:
            future = self._submit(unit)
        except RuntimeError as error:
            # A pool that lost a worker takes no more work.
            self._errors |= {spec.id: (spec, error) for spec in unit}
            return
        self._under_way.append(unit)
        future.add_done_callback(lambda future: self._ended.put((unit, future)))

    def _is_ready(self, spec: RunSpec) -> bool:
        """Whether all inputs are there, or are the spec's own to build."""
        return all(
            self._store.is_complete(needed) or (needed.id not in self._planned and self._is_ready(needed))
            for needed in spec.inputs.values()
        )

    def _raise_errors(self, own: set[str]) -> None:
        """A user's error as it is, any other as one that names the runs; errors of later stages wait for their stage."""
        errors = [pair for key, pair in self._errors.items() if key in own]
        for _, error in errors:
            if isinstance(error, UserError):
                raise error
        if errors:
            names = ", ".join(spec.label for spec, _ in errors)
            first = errors[0][1]
            raise StageError(
                f"{len(errors)} of {len(own)} runs broke ({names}); the others are kept, and running again goes on from "
                f"them. The first error: {type(first).__name__}: {first}"
            ) from first
