"""Settings of an execution: folders, workers, device. None of them affects a result or the name of a run directory."""

from pathlib import Path

from pydantic import Field

from perturb.config import Section
from perturb.errors import UserError, not_among
from perturb.machine import available_cores, checked_device

LARGEST_STACK = 32
STRATEGIES = ("processes", "stacked", "sequential")
"""Strategies by which trainings share a machine. `processes`: one worker per core, each with the few trainings at a time
that suit it. `stacked`: trainings that differ only in their seeds run as one, with the restart as an axis of every weight.
`sequential`: one training after the other. A restart is the same under all strategies, up to rounding."""


class RunSettings(Section):
    """Folders, workers and device of one execution."""

    artifacts: Path = Path("artifacts")
    """Folder of run directories, scratch and results."""
    workers: int = Field(default=2, ge=1)
    """Units of work at a time."""
    stack: int = Field(default=1, ge=1)
    """Maximum number of trainings in a unit of work."""
    device: str = "cpu"
    """A torch device."""
    compile: bool = False
    """Compile the networks with torch. This is slower on the CPU (benchmarks/README.md) and needs a C++ compiler."""
    time_limit: float | None = Field(default=None, gt=0)
    """Time limit per run, in minutes. None: no limit."""

    @property
    def threads(self) -> int:
        """Threads per worker, such that all workers together fill the machine's cores."""
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
    """Build settings from a user's options. None selects what suits the machine: stacked on an accelerator, else processes.

    Args:
        artifacts: folder of run directories and results.
        device: a torch device.
        strategy: one of STRATEGIES.
        workers: units of work at a time.
        stack: maximum number of trainings in a unit.
        restarts_a_core: the architecture's recommended `stack` if workers share the cores.
        time_limit: minutes per run.
        elsewhere: whether the workers are on other machines, so that the device is theirs.

    Raises:
        UserError: the strategy or device does not exist, workers are given for a strategy with a single one, or a stack for
            a strategy without stacks.

    """
    device = device or "cpu" if elsewhere else checked_device(device)
    if time_limit is not None and not 0 < time_limit < float("inf"):
        raise UserError(f"--time-limit must be minutes above 0, got {time_limit:g}.")
    chosen = strategy or ("processes" if device.startswith("cpu") else "stacked")
    if chosen not in STRATEGIES:
        raise UserError(f"--strategy {not_among([chosen], STRATEGIES)}.")
    if chosen == "sequential" and stack not in (None, 1):
        raise UserError(f"--stack {stack} cannot go with --strategy sequential, which trains one restart at a time.")
    if chosen == "processes":
        together = stack or restarts_a_core
        number = workers or available_cores()
        return RunSettings(artifacts=artifacts, device=device, workers=number, stack=together, time_limit=time_limit)
    if workers not in (None, 1):
        raise UserError(f"--workers {workers} needs --strategy processes; {chosen} has one worker.")
    largest = (stack or LARGEST_STACK) if chosen == "stacked" else 1
    return RunSettings(artifacts=artifacts, device=device, workers=1, stack=largest, time_limit=time_limit)
