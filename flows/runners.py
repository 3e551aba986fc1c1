"""The workers of a flow, chosen when it is called.

Prefect's tasks are threads of the flow that wait for a worker. A worker therefore needs neither Prefect nor access to its
server, and a worker that dies is noticed and replaced in the same way everywhere.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from perturb.errors import UserError, adds
from perturb.execution.origin import Origin
from perturb.execution.processes import Processes
from perturb.execution.settings import RunSettings


class Workers(Protocol):
    """A backend that does units of work while it is open as a context."""

    slots: int
    """Number of units of work at a time."""
    settings: RunSettings
    """The run settings, adjusted for the workers."""

    def run(self, work: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401
        """Have a worker do the work, and wait for the result.

        Raises:
            WorkerLost: the worker died.

        """

    def check(self) -> None:
        """Raise a UserError if no worker is left."""


class LocalProcesses(Processes):
    """Processes on this machine."""

    def __init__(self, number: int, settings: RunSettings) -> None:
        super().__init__(number)
        self.settings = settings.model_copy(update={"workers": number})

    def check(self) -> None:
        """Do nothing: a process that dies is replaced."""


class Threads(nullcontext):
    """Threads of the flow's own process."""

    def __init__(self, number: int, settings: RunSettings) -> None:
        super().__init__(self)
        self.slots = number
        self.settings = settings.model_copy(update={"workers": number})

    def run(self, work: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401
        """Do the work in the calling thread."""
        return work(*args)

    def check(self) -> None:
        """Do nothing: the threads live as long as the flow."""


def make_workers(text: str | None, settings: RunSettings, origin: Origin) -> AbstractContextManager[Workers]:
    """Return the workers for `thread:N`, `process:N`, `dask` or `dask://HOST:PORT`; None means `process:WORKERS`.

    Raises:
        UserError: the text is none of these, or Dask is not installed; on entering, if the scheduler cannot be reached.

    """
    kind, where = parsed(text, settings)
    if kind == "thread":
        return Threads(int(where), settings)
    if kind == "process":
        return LocalProcesses(int(where), settings)
    try:
        from perturb_flows.dask_workers import DaskWorkers

        return DaskWorkers(f"tcp://{where}" if where else None, settings, origin)
    except ModuleNotFoundError as error:
        raise UserError(f"--runner {text}: {error.name} is missing; {adds('flows')}.") from None


def parsed(text: str | None, settings: RunSettings) -> tuple[str, str]:
    """Return the kind of runner, and its number or address; raise a UserError if the text is not a runner."""
    text = text or f"process:{settings.workers}"
    if text == "dask":
        return text, ""
    if text.startswith("dask://"):
        host, _, port = text.removeprefix("dask://").rpartition(":")
        if host and port.isdigit():
            return "dask", f"{host}:{port}"
    kind, _, number = text.partition(":")
    if kind in ("thread", "process") and number.isdigit() and int(number) >= 1:
        return kind, number
    raise UserError(f"--runner must be thread:N or process:N with N at least 1, dask, or dask://HOST:PORT; got {text}.")
