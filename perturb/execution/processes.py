"""Worker processes on this machine."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from queue import SimpleQueue
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from perturb.execution.build import WorkerLost
from perturb.machine import die_with_parent

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class Processes:
    """Several processes, each in its own pool: if one dies, the others' work is not affected, and it is replaced."""

    def __init__(self, number: int) -> None:
        self.slots = number
        self._idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        self._made: list[ProcessPoolExecutor] = []
        self._strangers = set(multiprocessing.active_children())

    def __enter__(self) -> Self:
        for _ in range(self.slots):
            self._idle.put(self._new())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Abort all work under way at once. It resumes from its checkpoints next time."""
        for child in set(multiprocessing.active_children()) - self._strangers:
            child.kill()
        for pool in self._made:
            # Its thread closes the pipe, which the interpreter would otherwise write to at exit.
            pool.shutdown(wait=True)

    def run(self, work: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        """Do work in an idle process, and wait for the answer.

        Raises:
            WorkerLost: the process died.

        """
        pool = self._idle.get()
        try:
            return pool.submit(work, *args, **kwargs).result()
        except BrokenProcessPool as error:
            pool.shutdown(wait=False)
            pool = self._new()
            raise WorkerLost("its process was killed") from error
        finally:
            self._idle.put(pool)

    def _new(self) -> ProcessPoolExecutor:
        """Create a pool with one process, which starts with its first work."""
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=die_with_parent)
        self._made.append(pool)
        return pool
