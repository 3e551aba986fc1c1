"""One unit of work for a thread, a process or a worker on another machine: make sure that some runs are there."""

import ctypes
import os
import pickle
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from perturb.pipeline.origin import Origin, check_origin
from perturb.pipeline.settings import RunSettings
from perturb.runs import RunSpec, Store


class WorkerLost(Exception):
    """A worker died at its work: killed, or out of memory. Another one may go on from the checkpoints.

    Args:
        reason: what is known.
        workers: how many died of it one after the other.

    """

    def __init__(self, reason: str, workers: int = 1) -> None:
        super().__init__(reason, workers)
        self.workers = workers

    def __str__(self) -> str:
        return self.args[0]


@dataclass(frozen=True)
class Finished:
    """The outcome of a unit of work."""

    run: str
    label: str
    how: str
    """"built" or "reused"."""


@dataclass(frozen=True)
class Unit:
    """Work as it travels to a worker, who reads where it comes from before anything else."""

    origin: Origin
    packed: bytes
    """Specs and settings, pickled by the flow that the worker works for."""

    @classmethod
    def of(cls, specs: Sequence[RunSpec], settings: RunSettings, origin: Origin) -> Self:
        """Pack it."""
        return cls(origin, pickle.dumps((list(specs), settings)))


def work_on(unit: Unit) -> list[Finished]:
    """Build a unit's runs, or find that they are there.

    Raises:
        Refused: the worker has another version of the code, or another folder.
        UserError: a run took longer than the limit.
        WorkerLost: the process that a time limit asks for died.

    """
    check_origin(unit.origin)
    specs, settings = pickle.loads(unit.packed)
    if settings.time_limit is None:
        return ensure_runs(specs, settings)
    from perturb.pipeline.limit import ensure_within

    return ensure_within(specs, settings)


def ensure_runs(specs: Sequence[RunSpec], settings: RunSettings) -> list[Finished]:
    """Build runs, those of one family together, or find that they are there."""
    import torch

    from perturb.pipeline.stages import STAGES
    from perturb.training.memory import keep_freed_memory

    torch.set_num_threads(settings.threads)
    keep_freed_memory()
    store = Store(settings.artifacts, STAGES, device=settings.device, stack=len(specs), compile=settings.compile)
    with suppress(FileNotFoundError):
        os.listdir(store.root / "runs")  # a network file system forgets what it thought was not there
    how = store.ensure_all(specs)
    return [Finished(spec.id, spec.label, answer) for spec, answer in zip(specs, how, strict=True)]


def die_with_parent() -> None:
    """Ask Linux to kill this worker when the process that started it dies, so that a kill -9 leaves no orphans."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        parent_death_signal = 1
        ctypes.CDLL(None, use_errno=True).prctl(parent_death_signal, signal.SIGKILL)
