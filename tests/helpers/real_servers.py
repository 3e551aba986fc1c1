"""A Prefect server, a Dask scheduler and Dask workers, started as a user would start them."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 300
COMMAND = [sys.executable, "-c", "from perturb.cli import main; main()"]


def free_port() -> int:
    """Return a currently unused port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(condition: "callable", process: subprocess.Popen | None = None, seconds: float = SECONDS) -> None:
    """Wait until the condition holds; fail if the process ends or time runs out."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, "the process ended too early"
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


@contextmanager
def started(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen]:
    """Start a process that is killed at the end of the block."""
    with (
        log.open("ab") as output,
        subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent, env=os.environ | environment) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def prefect_server(home: Path, port: int) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run a Prefect server; yield the address of its API and its process."""
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    api = f"http://127.0.0.1:{port}/api"
    environment = {"PREFECT_HOME": str(home), "PREFECT_UI_API_URL": api}
    with started([*command, "--analytics-off"], home / "server.log", **environment) as process:
        wait_for(lambda: _answers(f"{api}/health"), process)
        yield api, process


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def post(api: str, path: str, body: dict) -> object:
    """Return the answer of a Prefect server's API."""
    request = urllib.request.Request(
        f"{api}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@contextmanager
def dask_scheduler(folder: Path) -> Iterator[str]:
    """Run a scheduler; yield its HOST:PORT."""
    port = free_port()
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
    with started([*command, "--no-dashboard"], folder / "scheduler.log") as process:
        wait_for(lambda: _listens(port), process)
        yield f"127.0.0.1:{port}"


@contextmanager
def dask_worker(address: str, folder: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen]:
    """Run a worker with one thread, without a nanny that would restart it."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://{address}", "--nthreads", "1", "--no-nanny"]
    log = folder / f"worker-{free_port()}.log"
    with started([*command, "--no-dashboard", *options], log, **environment) as process:
        wait_for(lambda: "Registered to" in log.read_text(), process)
        yield process


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def processes_with(mark: str) -> dict[int, str]:
    """Command lines by id of the processes, except zombies, with the mark in their environment."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found
