"""One unit of work for a thread, a process or a worker on another machine: make sure that some runs are there."""

import ctypes
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from perturb.pipeline.settings import RunSettings
from perturb.runs import RunSpec, Store


@dataclass(frozen=True)
class Finished:
    """What came of a unit of work."""

    run: str
    label: str
    how: str
    """"built" or "reused"."""


def ensure_runs(specs: Sequence[RunSpec], settings: RunSettings) -> list[Finished]:
    """Build runs, those of one family together, or find that they are there."""
    import torch

    from perturb.pipeline.stages import STAGES
    from perturb.training.memory import keep_freed_memory

    torch.set_num_threads(settings.threads)
    keep_freed_memory()
    store = Store(settings.artifacts, STAGES, device=settings.device, stack=len(specs), compile=settings.compile)
    how = store.ensure_all(specs)
    return [Finished(spec.id, spec.label, answer) for spec, answer in zip(specs, how, strict=True)]


def die_with_parent() -> None:
    """Ask Linux to kill this worker when the process that started it dies, so that a kill -9 leaves no orphans."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        parent_death_signal = 1
        ctypes.CDLL(None, use_errno=True).prctl(parent_death_signal, signal.SIGKILL)
