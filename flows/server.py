"""A temporary Prefect server for a flow, if the user has none.

Prefect would start one by itself, but a kill -9 of the flow would leave it behind. This one dies with the process that
started it.
"""

import json
import logging
import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from prefect.context import refresh_global_settings_context
from prefect.settings import PREFECT_API_URL

from perturb.errors import UserError
from perturb.escapes import in_line
from perturb.machine import die_with_parent

SECONDS_TO_START = 180
"""A cold start takes 12-17 s on a small idle machine, and much longer on a busy one."""
THIS_MACHINE = ("localhost", "127.0.0.1", "0.0.0.0", "::1")
PORTS = {"http": 80, "https": 443}
"""The port of an address that names none, by scheme."""


@contextmanager
def server() -> Iterator[None]:
    """Point PREFECT_API_URL to a running server inside the block: the user's, or a temporary one.

    Raises:
        UserError: the user's server does not answer, or the temporary one did not start.

    """
    if address := PREFECT_API_URL.value():
        _require_answer(address)
        yield
        return
    address = f"http://127.0.0.1:{free_port()}"
    process = _start(address)
    try:
        _wait_until_healthy(address, process)
        # Set in the environment, because neither Prefect's own threads nor workers see temporary settings.
        os.environ["PREFECT_API_URL"] = f"{address}/api"
        refresh_global_settings_context()
        yield
        _deliver_logs()
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        refresh_global_settings_context()
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def require_server() -> str:
    """Return the address of the user's server API.

    Raises:
        UserError: PREFECT_API_URL is not set, or no server answers there.

    """
    address = PREFECT_API_URL.value()
    if not address:
        raise UserError(
            "schedules need a permanent Prefect server: start one with `prefect server start`, and set "
            "PREFECT_API_URL=http://127.0.0.1:4200/api."
        )
    _require_answer(address)
    return address


def _require_answer(address: str) -> None:
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=10):
            return
    except (OSError, ValueError) as error:  # urllib's URLError is one too
        raise UserError(
            f"no Prefect server answers at {in_line(address)} ({in_line(error)}); start it with `prefect server start`, or "
            "correct PREFECT_API_URL."
        ) from None


def page_of(api: str) -> str:
    """Return the address of a server's page for people, given that of its API."""
    return api.rstrip("/").removesuffix("/api")


def page_trouble(api: str) -> str | None:
    """Return why Prefect's page may stay empty and what to do about it, or None if it shows this server.

    The browser asks for data where the server's own setting says, which is http://127.0.0.1:4200/api even for a server on
    another port.
    """
    try:
        with urllib.request.urlopen(f"{page_of(api)}/ui-settings", timeout=10) as answer:
            asked = str(json.load(answer)["api_url"] or api)
        if _place(asked) == _place(api):
            return None
    except (OSError, ValueError, LookupError, TypeError):  # the page is turned off, or this Prefect has other settings
        return None
    return (
        f"Prefect's page asks for its data at {in_line(asked)}, and this server is at {in_line(api)}; if the page stays "
        f"empty, start the server with PREFECT_UI_API_URL={in_line(api)}"
    )


def _place(address: str) -> tuple[str | None, int | None]:
    """Return host and port of an address, with one name for all that mean this machine."""
    parts = urlsplit(address)
    host = "localhost" if parts.hostname in THIS_MACHINE else parts.hostname
    return host, parts.port or PORTS.get(parts.scheme)


def free_port() -> int:
    """Return a port of this machine that is free right now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def is_healthy(api: str) -> bool:
    """Return whether a Prefect server answers at `http://…/api`."""
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=5):
            return True
    except OSError:  # urllib's URLError is one too
        return False


def _start(address: str) -> subprocess.Popen:
    """Start a server with the command that Prefect uses for its own temporary server, except for the app folder.

    uvicorn puts that folder first in the path. Prefect names site-packages, where a backport such as `dataclasses` hides a
    standard-library module; without any, uvicorn would use the current folder. The standard library's own folder hides
    nothing.
    """
    port, own = address.rpartition(":")[2], sysconfig.get_path("stdlib")
    command = [sys.executable, "-m", "uvicorn", "--app-dir", own, "--factory"]
    command += ["prefect.server.api.server:create_app", "--host", "127.0.0.1", "--port", port, "--log-level", "critical"]
    environment = os.environ | {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    return subprocess.Popen(
        [*command, "--lifespan", "on"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
        start_new_session=True,  # a terminal's Ctrl-C reaches only the flow, which still has to report its end to the server
    )


def _deliver_logs() -> None:
    """Send what Prefect still holds back of its logs, up to two seconds' worth, while there is a server to send it to."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        for handler in logging.getLogger(name).handlers:
            handler.flush()


def _wait_until_healthy(address: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while process.poll() is None and time.monotonic() < deadline:
        if is_healthy(f"{address}/api"):
            return
        time.sleep(0.1)
    raise UserError(
        f"the temporary Prefect server did not start (exit code {process.poll()}); set PREFECT_API_URL to a running server, "
        "or leave out --prefect and --runner."
    )
