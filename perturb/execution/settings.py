"""Settings of an execution: folders, workers, device. None of them changes a result, or the name of a run's folder."""

from pathlib import Path

from pydantic import Field

from perturb.config import Section
from perturb.errors import UserError, not_among
from perturb.machine import available_cores, checked_device

LARGEST_STACK = 32
STRATEGIES = ("processes", "stacked", "sequential")
"""The ways in which trainings share a machine. `processes`: a worker on each core, with as few at once as suit it.
`stacked`: those that differ in their seed alone as one, the restart an axis of every weight. `sequential`: one after the
other. A restart is the same in all of them, up to rounding."""


class RunSettings(Section):
    """Folders, workers and device of one execution."""

    artifacts: Path = Path("artifacts")
    """Run directories, scratch and results live below it."""
    workers: int = Field(default=2, ge=1)
    """Units of work at a time."""
    stack: int = Field(default=1, ge=1)
    """Trainings in a unit of work, at most."""
    device: str = "cpu"
    """A torch device."""
    compile: bool = False
    """Have torch compile the networks. Slower on the CPU (benchmarks/README.md), and needs a C++ compiler."""
    time_limit: float | None = Field(default=None, gt=0)
    """Minutes for each run; None: as long as it takes."""

    @property
    def threads(self) -> int:
        """Threads for each worker, so that together they fill the machine's cores."""
        return max(1, available_cores() // self.workers)


def run_settings(
    *,
    artifacts: Path,
    device: str | None,
    strategy: str | None,
    workers: int | None,
    stack: int | None,
    restarts_a_core: int = 1,
    time_limit: float | None = None,
    elsewhere: bool = False,
) -> RunSettings:
    """Settings for a user's wishes; None stands for what suits the machine: stacked on an accelerator, else processes.

    Args:
        artifacts: folder of run directories and results.
        device: of torch.
        strategy: one of STRATEGIES.
        workers: units of work at a time.
        stack: trainings in a unit.
        restarts_a_core: what the architecture recommends for `stack` where workers share the cores.
        time_limit: minutes for each run.
        elsewhere: the workers are on other machines, so the device is theirs.

    Raises:
        UserError: a strategy or a device that is not there, workers for a strategy that has one only, or a stack for one
            that has none.

    """
    device = device or "cpu" if elsewhere else checked_device(device)
    if time_limit is not None and not 0 < time_limit < float("inf"):
        raise UserError(f"--time-limit must be minutes above 0, got {time_limit:g}.")
    chosen = strategy or ("processes" if device.startswith("cpu") else "stacked")
    if chosen not in STRATEGIES:
        raise UserError(f"--strategy {not_among([chosen], STRATEGIES)}.")
    if chosen == "sequential" and stack not in (None, 1):
        raise UserError(f"--stack {stack} is not for --strategy sequential, which trains one restart at a time.")
    if chosen == "processes":
        together = stack or restarts_a_core
        number = workers or available_cores()
        return RunSettings(artifacts=artifacts, device=device, workers=number, stack=together, time_limit=time_limit)
    if workers not in (None, 1):
        raise UserError(f"--workers {workers} is for --strategy processes; {chosen} has one.")
    largest = (stack or LARGEST_STACK) if chosen == "stacked" else 1
    return RunSettings(artifacts=artifacts, device=device, workers=1, stack=largest, time_limit=time_limit)
