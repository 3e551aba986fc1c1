"""Workers of a Ray cluster, which is started on this machine, or is the one that RAY_ADDRESS names."""

import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from perturb.execution.build import WorkerLost
from perturb.execution.settings import RunSettings

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError


class RayWorkers:
    """A connection to Ray; each unit takes one CPU, and one GPU where the device is cuda."""

    def __init__(self, settings: RunSettings) -> None:
        self.settings, self.slots = settings, settings.workers
        self._needs = {"num_cpus": 1, "num_gpus": 1 if settings.device.startswith("cuda") else 0, "max_retries": 0}

    def __enter__(self) -> Self:
        if os.environ.get("RAY_ADDRESS"):
            ray.init(log_to_driver=False)
        else:
            ray.init(num_cpus=self.slots, include_dashboard=False, log_to_driver=False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        ray.shutdown()

    def run(self, work: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401
        """Have a worker do it, and wait for the answer.

        Raises:
            WorkerLost: the worker died, or its machine.

        """
        try:
            return ray.get(ray.remote(work).options(**self._needs).remote(*args))
        except (WorkerCrashedError, OutOfMemoryError, NodeDiedError) as error:
            raise WorkerLost(str(error).splitlines()[0]) from error
        except RayTaskError as error:
            raise error.cause from error

    def check(self) -> None:
        """Ray replaces workers by itself."""
