"""A unit of work for a thread, a process or a worker on another machine: make sure that some runs exist."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from perturb.execution.build import Finished, ensure_runs
from perturb.execution.origin import Origin, check_origin
from perturb.execution.settings import RunSettings
from perturb.execution.time_limit import ensure_within
from perturb.runs import RunSpec


@dataclass(frozen=True)
class WorkUnit:
    """Work in the form that is sent to a worker, which checks its origin before anything else."""

    origin: Origin
    packed: bytes
    """Specs and settings, pickled by the flow that sends the work."""

    @classmethod
    def pack(cls, specs: Sequence[RunSpec], settings: RunSettings, origin: Origin) -> Self:
        """Pack runs that are built together, with their settings, for another process."""
        return cls(origin, pickle.dumps((list(specs), settings)))


def execute_unit(unit: WorkUnit) -> list[Finished]:
    """Build the runs of a unit, or reuse those that exist.

    Raises:
        WorkerMismatch: the worker has another version of the code, or another folder.
        UserError: a run took longer than the time limit.
        WorkerLost: the process that runs under the time limit died.

    """
    check_origin(unit.origin)
    specs, settings = pickle.loads(unit.packed)
    if settings.time_limit is None:
        return ensure_runs(specs, settings)
    return ensure_within(specs, settings, settings.time_limit)
