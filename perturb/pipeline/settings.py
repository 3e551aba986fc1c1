"""Where and how an experiment is executed. Nothing here changes its result, or its run directories' names."""

import os
from pathlib import Path

from pydantic import Field

from perturb.config import Section


class RunSettings(Section):
    """Folders, workers and device of one execution."""

    artifacts: Path = Path("artifacts")
    """Run directories, scratch and results live below it."""
    workers: int = Field(default=2, ge=1)
    """Trainings at a time."""
    device: str = "cpu"
    """A torch device."""

    @property
    def threads(self) -> int:
        """Threads for each worker, so that together they fill the machine's cores."""
        return max(1, available_cores() // self.workers)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def best_device() -> str:
    """`cuda` where there is one, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
