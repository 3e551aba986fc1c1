"""Building of runs in this process, and the answer that a worker returns."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from perturb.execution.settings import RunSettings
from perturb.runs import RunSpec, Store


class WorkerLost(Exception):
    """A worker died at work: it was killed, or ran out of memory. Another worker can resume from the checkpoints.

    Args:
        reason: what is known about it.
        workers: number of workers that died of it, one after the other.

    """

    def __init__(self, reason: str, workers: int = 1) -> None:
        super().__init__(reason, workers)
        self.workers = workers

    def __str__(self) -> str:
        return self.args[0]


@dataclass(frozen=True)
class Finished:
    """The outcome of one run in a unit of work."""

    run: str
    label: str
    how: str
    """"built" or "reused"."""


def ensure_runs(specs: Sequence[RunSpec], settings: RunSettings) -> list[Finished]:
    """Build runs, or reuse those that exist. Runs of one family are built together."""
    import torch

    from perturb.experiment.stages import STAGES
    from perturb.training.memory import keep_freed_memory

    torch.set_num_threads(settings.threads)
    keep_freed_memory()
    store = Store(
        settings.artifacts,
        STAGES,
        device=settings.device,
        stack=len(specs),
        compile=settings.compile,
        threads=settings.threads,
    )
    with suppress(FileNotFoundError):
        os.listdir(store.root / "runs")  # makes a network file system forget which entries it thought were missing
    how = store.ensure_all(specs)
    return [Finished(spec.id, spec.label, answer) for spec, answer in zip(specs, how, strict=True)]
