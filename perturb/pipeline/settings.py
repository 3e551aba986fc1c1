"""Where and how an experiment is executed. Nothing here changes its result, or its run directories' names."""

import os
from pathlib import Path

from pydantic import Field

from perturb.config import Section
from perturb.errors import UserError


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


def checked_device(name: str | None) -> str:
    """The device a user asks for, or the best there is: `cuda`, else `cpu`.

    Raises:
        UserError: torch does not know the device, or this machine does not have it.

    """
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(f"--device {name} cannot be used here ({reason}); use cpu, or leave it out.") from None
    return name
