"""Execute runs in processes, a few at a time, and store their results, however they end."""

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
    """The factory or its name; empty if codes are scored."""
    images: dict[VariantPattern, BenchmarkImages]
    """Images by variant and pattern."""
    codes: dict[tuple[str, int], Path]
    """Files of codes by variant and seed number."""
    fitted: bool
    """True if the model is already trained."""
    training: Training
    cache: Path | None = None
    """The requested folder of benchmark files."""


class Runner:
    """Executes runs below a folder.

    Args:
        folder: folder of finished and unfinished runs.
        context: what the runs share.
        server: starts the runs' processes.
        workers: number of runs at a time; None: one per core, or one if there is a GPU.
        seconds: time limit of each run.
        gibibytes: memory limit of each run.
        quiet: whether to show nothing.

    Raises:
        UserError: the limits cannot be enforced, or the factory cannot be sent to a process.

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
        """Return how to run the model and how it describes itself, determined in a separate process.

        Without images, the process only checks that the factory exists, and the answer does not describe the model.

        Raises:
            UserError: the model follows no protocol, or its code raises; the traceback is printed in that case.

        """
        workdir = self._store.root / "scratch" / f"{KIND}-look"
        child = self._start(self._job(workdir, None, next(iter(self._context.images), None)))
        _wait(child.has_ended, child)
        if not (workdir / ANSWER).is_file():
            raise UserError(f"the model cannot be inspected: {child.why_without_result}.")
        answer = read_json(workdir / ANSWER)
        shutil.rmtree(workdir)
        if answer["traceback"]:
            print("\n".join(map(in_line, answer["traceback"].splitlines())), file=sys.stderr)
            raise UserError(f"the model cannot be made, because its code raised {answer['failure']}.")
        if answer["failure"]:
            raise UserError(f"{answer['failure']}.")
        return answer

    def finish(self, specs: Sequence[RunSpec], *, retry: bool, steps: int | None = None) -> dict[str, ExternalResult]:
        """Execute the runs that are not finished; return the results of all runs by their ids.

        Args:
            specs: the runs' specifications.
            retry: execute runs that failed before again.
            steps: number of steps of each training, which is shown; None if the model trains itself, or not at all.

        """
        self._clear_scratch()
        self._store.set_aside_damaged(specs)
        if retry:
            for spec in specs:
                if self._store.is_complete(spec) and self._result(spec).failure:
                    shutil.rmtree(self._store.path(spec))
        waiting = [spec for spec in specs if not self._store.is_complete(spec)]
        under_way: dict[str, tuple[RunSpec, Child]] = {}
        with Watcher(specs, self._store, workers=self._workers, steps=steps, quiet=self._quiet) as watcher:
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
        """Return the folder of a finished run."""
        return self._store.path(spec)

    def seconds(self, spec: RunSpec[ExternalRun]) -> float:
        """Return the seconds that a finished run took."""
        return self._store.seconds(spec) + self._result(spec).seconds

    def _clear_scratch(self) -> None:
        """Remove what killed evaluations have left; nobody else is writing here, because we hold the lock."""
        for folder in (self._store.root / "scratch").glob(f"{KIND}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _close(self, spec: RunSpec[ExternalRun], child: Child) -> None:
        """Record that a run failed, if its process left no result."""

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
            unpack(data, self._context.cache)  # an earlier model may have overwritten the shared files
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
    """Return the number of runs at a time: one per core, each with one thread, or one if there is a GPU to share."""
    import torch

    return 1 if torch.cuda.is_available() else available_cores()


def _sendable(model: Factory | str) -> bytes | str:
    """Return a factory in the form that is sent to a process: its name, or pickled by cloudpickle."""
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
