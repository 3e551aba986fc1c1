"""Workers of a Dask cluster: one that is already running, or one of processes on this machine."""

import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import dask
from distributed import CancelledError, Client, KilledWorker, LocalCluster
from distributed.comm.core import CommClosedError

from perturb.errors import UserError
from perturb.execution.build import WorkerLost
from perturb.execution.origin import Origin, WorkerMismatch, check_origin
from perturb.execution.scheduler import TRIES
from perturb.execution.settings import RunSettings

SECONDS_TO_CONNECT = 10.0
SECONDS_WITHOUT_WORKERS = 60.0
"""The time for which all workers may be missing while a flow runs, for example because they are being restarted."""


class DaskWorkers:
    """A connection to a Dask scheduler.

    Args:
        address: address of the scheduler, `tcp://HOST:PORT`; None: start one with `settings.workers` processes.
        settings: run settings; the device decides whether workers must offer the resource GPU.
        origin: the flow's code and folder, which every worker checks before it gets any work.

    """

    def __init__(self, address: str | None, settings: RunSettings, origin: Origin) -> None:
        self.address, self.settings, self.slots, self._origin = address, settings, 0, origin
        self._resources = {"GPU": 1} if settings.device.startswith("cuda") else {}
        self._stack, self._last_seen = ExitStack(), 0.0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            cluster = None if self.address else stack.enter_context(_local(self.settings.workers, self._resources))
            self._client = stack.enter_context(_connected(cluster or self.address))
            self.address = self._client.scheduler.address
            suited = self._suited()
            if not suited:
                raise UserError(self._nobody())
            self._ask_all()
            per_host = Counter()
            for worker in suited.values():
                per_host[worker["host"]] += self._units(worker)
            self.slots, self._last_seen = per_host.total(), time.monotonic()
            self.settings = self.settings.model_copy(update={"workers": max(per_host.values())})
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def run(self, work: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401
        """Have a worker do the work, and wait for the result; if the worker dies, Dask gives the work to another one.

        Raises:
            WorkerLost: several workers died doing this work.
            UserError: the worker cannot load perturb, or the scheduler is gone.

        """
        future = self._client.submit(work, *args, key=f"perturb-{uuid.uuid4().hex}", resources=self._resources or None)
        try:
            return future.result()
        except KilledWorker as error:
            raise WorkerLost("killed, or out of memory", workers=TRIES) from error
        except (CancelledError, CommClosedError) as error:
            raise WorkerMismatch(self._gone()) from error
        except (ImportError, AttributeError) as error:
            if "perturb" not in str(error):
                raise
            raise WorkerMismatch(_cannot_load(error)) from error
        finally:
            future.release()

    def check(self) -> None:
        """Raise a UserError if the scheduler is gone, or if all workers have been gone for SECONDS_WITHOUT_WORKERS."""
        if self._client.status not in ("running", "connecting"):
            raise UserError(self._gone())
        try:
            suited = self._client.sync(self._suited_now, callback_timeout=SECONDS_TO_CONNECT)
        except (OSError, TimeoutError, CommClosedError):
            suited = {}
        if suited:
            self._last_seen = time.monotonic()
        elif time.monotonic() - self._last_seen > SECONDS_WITHOUT_WORKERS:
            raise UserError(f"{self._nobody()} What is done is kept; run the same command again to resume.")

    async def _suited_now(self) -> dict[str, Any]:
        identity = await self._client.scheduler.identity(n_workers=-1)
        return {name: worker for name, worker in identity["workers"].items() if self._units(worker) >= 1}

    def _suited(self) -> dict[str, Any]:
        """Return the workers that offer what the work needs, by address."""
        return self._client.sync(self._suited_now, callback_timeout=SECONDS_TO_CONNECT)

    def _units(self, worker: dict[str, Any]) -> int:
        """Return the number of units that a worker can do at a time."""
        return min([worker["nthreads"], *(int(worker["resources"].get(name, 0)) for name in self._resources)])

    def _ask_all(self) -> None:
        """Have every worker check that it has the flow's code and folder."""
        for answer in self._client.run(check_origin, self._origin, on_error="return").values():
            if isinstance(answer, WorkerMismatch):
                raise answer
            if isinstance(answer, ImportError | AttributeError):
                raise UserError(_cannot_load(answer))
            if isinstance(answer, Exception) and not isinstance(answer, OSError):
                raise answer

    def _nobody(self) -> str:
        host = self.address.removeprefix("tcp://")
        if self._resources:
            return (
                f"no worker of the Dask scheduler at {host} offers a GPU; start one with `dask worker {host} --nworkers 1 "
                "--nthreads 1 --resources GPU=1`, or use --device cpu."
            )
        return f"the Dask scheduler at {host} has no workers; start one with `dask worker {host} --nworkers 1 --nthreads 1`."

    def _gone(self) -> str:
        return (
            f"the Dask scheduler at {self.address.removeprefix('tcp://')} does not answer any more; what is done is kept. "
            "Run the same command again to resume."
        )


def _cannot_load(error: Exception) -> str:
    return f"a Dask worker cannot load perturb ({error}); install the flow's version there and start the worker again."


def _connected(where: str | LocalCluster) -> Client:
    try:
        return Client(where, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        address = str(where).removeprefix("tcp://")
        raise UserError(
            f"no Dask scheduler answers at {address}; start one with `dask scheduler --port {address.rpartition(':')[2]}`, "
            "or use --runner dask for one of this machine."
        ) from error


def _local(workers: int, resources: dict[str, int]) -> LocalCluster:
    """Start processes on this machine; one that dies is restarted, and work that killed TRIES in a row is given up."""
    with dask.config.set({"distributed.scheduler.allowed-failures": TRIES - 1}):
        return LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, resources=resources, silence_logs="ERROR"
        )
