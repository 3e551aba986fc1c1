"""Runs built in this process, and what a worker answers of them."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from perturb.execution.settings import RunSettings
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


def ensure_runs(specs: Sequence[RunSpec], settings: RunSettings) -> list[Finished]:
    """Build runs, those of one family together, or find that they are there."""
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
        os.listdir(store.root / "runs")  # a network file system forgets what it thought was not there
    how = store.ensure_all(specs)
    return [Finished(spec.id, spec.label, answer) for spec, answer in zip(specs, how, strict=True)]
