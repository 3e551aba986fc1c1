"""Runs handed to processes, a few at a time; what they end with, however they end, is kept."""

import pickle
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle

from perturb.errors import UserError
from perturb.escapes import in_line
from perturb.external.dataset import BenchmarkImages, unpack
from perturb.external.display import Watcher
from perturb.external.fork_server import ForkServer
from perturb.external.output import excerpt_of_file
from perturb.external.plan import KIND, VERSION, ExternalResult, ExternalRun, Training
from perturb.external.protocols import Factory
from perturb.external.sandbox import SECONDS_BETWEEN_LOOKS, Child, check_limits
from perturb.external.worker import ANSWER, OUTPUT, Job
from perturb.files import read_json
from perturb.machine import available_cores
from perturb.runs import RunSpec, Stage, StageContext, Store
from perturb.variants import VariantPattern


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """The model, the images and the settings that all runs of an evaluation share."""

    model: Factory | str
    """Empty where there are codes."""
    images: dict[VariantPattern, BenchmarkImages]
    """Images by variant and pattern."""
    codes: dict[tuple[str, int], Path]
    """Files of codes by variant and number of the seed."""
    fitted: bool
    training: Training
    cache: Path | None = None
    """Folder of benchmark files that was asked for."""


class Runner:
    """Finishes runs below a folder.

    Args:
        folder: of finished runs, and of those under way.
        context: what they need.
        server: starts their processes.
        workers: at a time; None: one a core, or one where there is a GPU.
        seconds: that each may take.
        gibibytes: that each may use.
        quiet: show nothing.

    Raises:
        UserError: limits that cannot be held, or a factory that cannot be sent to a process.

    """

    def __init__(
        self,
        folder: Path,
        context: RunContext,
        *,
        server: ForkServer,
        workers: int | None,
        seconds: float | None,
        gibibytes: float | None,
        quiet: bool,
    ) -> None:
        check_limits(seconds, gibibytes)
        self._store, self._context, self._quiet = Store(folder, {}), context, quiet
        self._server, self._limits = server, {"seconds": seconds, "gibibytes": gibibytes}
        self._workers = workers or default_workers()
        self._factory = _sendable(context.model)

    def inspect_model(self) -> dict[str, Any]:
        """Return how the model is to be run and what it says of itself, found out in a process.

        Without images, the process looks only whether there is such a factory, and the answer says nothing of the model.

        Raises:
            UserError: it follows no protocol, or its code raises; then the traceback has been printed.

        """
        workdir = self._store.root / "scratch" / f"{KIND}-look"
        child = self._start(self._job(workdir, None, next(iter(self._context.images), None)))
        _wait(child.has_ended, child)
        if not (workdir / ANSWER).is_file():
            raise UserError(f"the model cannot be looked at: {child.why_without_result}.")
        answer = read_json(workdir / ANSWER)
        shutil.rmtree(workdir)
        if answer["traceback"]:
            print("\n".join(map(in_line, answer["traceback"].splitlines())), file=sys.stderr)
            raise UserError(f"the model cannot be made, because its code raised {answer['failure']}.")
        if answer["failure"]:
            raise UserError(f"{answer['failure']}.")
        return answer

    def finish(self, specs: Sequence[RunSpec], *, retry: bool) -> dict[str, ExternalResult]:
        """The results of runs by their ids.

        Args:
            specs: of the runs.
            retry: forget those that failed before.

        """
        self._clear_scratch()
        self._store.set_aside_damaged(specs)
        if retry:
            for spec in specs:
                if self._store.is_complete(spec) and self._result(spec).failure:
                    shutil.rmtree(self._store.path(spec))
        waiting = [spec for spec in specs if not self._store.is_complete(spec)]
        under_way: dict[str, tuple[RunSpec, Child]] = {}
        with Watcher(specs, self._store, workers=self._workers, quiet=self._quiet) as watcher:
            try:
                while waiting or under_way:
                    while waiting and len(under_way) < self._workers:
                        spec = waiting.pop(0)
                        column = VariantPattern(spec.config.variant, spec.config.draw)
                        job = self._job(self._store.scratch(spec), spec, column)
                        under_way[spec.id] = spec, self._start(job)
                    for spec, child in list(under_way.values()):
                        if child.has_ended():
                            self._close(spec, child)
                            watcher.ended(spec, self._result(spec), child.seconds)
                            del under_way[spec.id]
                    watcher.look()
                    time.sleep(SECONDS_BETWEEN_LOOKS)
            finally:
                for _, child in under_way.values():
                    child.kill()
        self._clear_scratch()
        return {spec.id: self._result(spec) for spec in specs}

    def folder(self, spec: RunSpec[ExternalRun]) -> Path:
        """The folder of a finished run."""
        return self._store.path(spec)

    def seconds(self, spec: RunSpec[ExternalRun]) -> float:
        """Seconds that a finished run took."""
        return self._store.seconds(spec) + self._result(spec).seconds

    def _clear_scratch(self) -> None:
        """Remove what killed processes of evaluations have left; nobody else is writing here, for we have the lock."""
        for folder in (self._store.root / "scratch").glob(f"{KIND}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _close(self, spec: RunSpec[ExternalRun], child: Child) -> None:
        """Give a run whose process left no result the result that it failed."""

        def build(context: StageContext[ExternalRun]) -> ExternalResult:
            with suppress(FileNotFoundError):
                (context.out / OUTPUT).write_text(excerpt_of_file(child.job.workdir / OUTPUT), encoding="utf-8")
            return ExternalResult(failure=child.why_without_result, scores=None, details=None)

        if not self._store.is_complete(spec):
            Store(self._store.root, {KIND: Stage(version=VERSION, build=build)}).ensure(spec)

    def _result(self, spec: RunSpec[ExternalRun]) -> ExternalResult:
        return self._store.result(spec, ExternalResult)

    def _start(self, job: Job) -> Child:
        return Child(self._server, job, **self._limits)

    def _job(self, workdir: Path, run: RunSpec | None, column: VariantPattern | None) -> Job:
        data = None if column is None else self._context.images[column].path
        if data is not None:
            unpack(data, self._context.cache)  # a model may have written to what others read
        return Job(
            workdir=workdir,
            threads=max(1, available_cores() // self._workers),
            factory=self._factory,
            data=data and data.resolve(),
            training=self._context.training,
            fitted=self._context.fitted,
            run=run,
            store=self._store.root,
            codes=self._context.codes.get((column.variant, run.config.number)) if run and column else None,
            path=sys.path.copy(),
        )


def default_workers() -> int:
    """Runs at a time: one a core, each with a thread; one where there is a GPU, which they would share."""
    import torch

    return 1 if torch.cuda.is_available() else available_cores()


def _sendable(model: Factory | str) -> bytes | str:
    """A factory as a process takes it."""
    if isinstance(model, str):
        return model
    if not callable(model):
        raise UserError(f"a factory must be a function or a class that returns a model, got {type(model).__name__}.")
    try:
        return cloudpickle.dumps(model)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise UserError(f"the factory cannot be sent to a process of its own ({error}); define it in a module.") from None


def _wait(ended: Callable[[], bool], child: Child) -> None:
    try:
        while not ended():
            time.sleep(SECONDS_BETWEEN_LOOKS)
    except BaseException:
        child.kill()
        raise
