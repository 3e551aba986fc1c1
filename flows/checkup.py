"""Checks of Prefect and Dask: the server, schedules, the scheduler and its workers."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from perturb_flows.environment import prepare

prepare()

import httpx  # noqa: E402
from perturb_flows.server import free_port, is_healthy, page_trouble, require_server  # noqa: E402
from prefect.settings import PREFECT_API_URL  # noqa: E402

from perturb.errors import UserError  # noqa: E402
from perturb.execution.checkup import Check  # noqa: E402
from perturb.machine import die_with_parent  # noqa: E402

SECONDS_TO_FIRE = 180


def check_orchestration(*, dask: str | None, deep: bool) -> Iterator[Check]:
    """Check Prefect's server, Dask's scheduler if one is given, and with `deep` whether schedules fire."""
    yield _server()
    if dask:
        yield from _dask(dask)
    if deep:
        yield _schedule()


def _server() -> Check:
    if not PREFECT_API_URL.value():
        return Check("ok", "prefect", "no PREFECT_API_URL: flows start their own server; schedules need a permanent one")
    try:
        api = require_server()
    except UserError as error:
        return Check("wrong", "prefect", str(error))
    if trouble := page_trouble(api):
        return Check("warning", "prefect", trouble)
    return Check("ok", "prefect", f"a server answers at {api}")


def _dask(address: str) -> Iterator[Check]:
    from distributed import Client

    try:
        client = Client(f"tcp://{address.removeprefix('dask://')}", timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        yield Check("wrong", "dask", f"no scheduler answers at {address} ({type(error).__name__})")
        return
    with client:
        workers = client.scheduler_info()["workers"].values()
        threads, gpus = sum(w["nthreads"] for w in workers), sum(w["resources"].get("GPU", 0) for w in workers)
        hosts = {worker["host"] for worker in workers}
        note = f"{len(workers)} workers on {len(hosts)} hosts, {threads} threads, {gpus:g} GPUs"
        yield Check("ok" if workers else "wrong", "dask", f"{address}: {note}")
        versions = client.get_versions()
        here = versions["client"]["packages"]["distributed"]
        others = {name: found["packages"]["distributed"] for name, found in versions["workers"].items() if found}
        for name, other in others.items():
            if other != here:
                yield Check("warning", "dask", f"{name} has distributed {other}, and this machine {here}")


def _schedule() -> Check:
    """Start a server and a flow that is due every five seconds, and check whether the server runs the flow."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perturb-doctor-", ignore_cleanup_errors=True)))
        port = free_port()
        api = f"http://127.0.0.1:{port}/api"
        environment = {"PREFECT_HOME": str(home), "PREFECT_API_URL": api, "PREFECT_SERVER_UI_ENABLED": "false"}
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        started, deadline = time.monotonic(), time.monotonic() + SECONDS_TO_FIRE
        stack.enter_context(_running([*command, "--analytics-off"], environment))
        while not is_healthy(api):
            if time.monotonic() > deadline:
                return Check("wrong", "schedules", f"a Prefect server did not start within {SECONDS_TO_FIRE} s")
            time.sleep(0.5)
        stack.enter_context(_running([sys.executable, "-m", "perturb_flows.trial"], environment))
        completed = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
        while not httpx.post(f"{api}/flow_runs/filter", json=completed, timeout=30).raise_for_status().json():
            if time.monotonic() > deadline:
                note = f"a flow that was due every 5 s did not run within {SECONDS_TO_FIRE} s; are versions as above?"
                return Check("wrong", "schedules", note)
            time.sleep(1)
        seconds = time.monotonic() - started
        return Check("ok", "schedules", f"one fired and its run was completed, {seconds:.0f} s after the start")


def _running(command: list[str], environment: dict[str, str]) -> ExitStack:
    """Start a process that is killed when the returned stack is closed."""
    process = subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    stack = ExitStack()
    stack.callback(process.wait)
    stack.callback(process.kill)
    return stack
