"""Overhead of orchestration: the same experiment in plain Python, as a Prefect flow, and over Dask.

    python benchmarks/orchestration.py [--quick] [--json OUT]

The quickstart runs with half of its steps, each way in a fresh folder. The ways take turns, and every other round reverses
their order, because the first may find the machine in a different state. --quick runs a fiftieth of the steps, once. A
Prefect server and a Dask scheduler with a worker per core run all the time. We compare the time from the first run's start
to the last run's end.

A machine's speed drifts from minute to minute by more than the target of 3 % over plain Python. So we also report a figure
that does not depend on it: the share of the cores' time that was not spent on runs, because a core had no run to work on,
or because the command itself, the server or the scheduler was computing. (Their computation on an idle core counts twice,
which is negligible.) The overhead of orchestration is the difference between a flow's share and plain Python's.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import psutil
import typer
from rich.console import Console
from rich.table import Table

from perturb.files import read_json, write_json
from perturb.machine import available_cores, software_versions

ROOT = Path(__file__).parent.parent
MARK = 0.03
PLAIN = "plain Python"
console = Console()


class Setting(NamedTuple):
    """Settings of a measurement."""

    budget: float
    rounds: int
    workers: int


def free_port() -> int:
    """Return a currently free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[psutil.Process]:
    """Run a process for the duration of the block, without output."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, **quiet) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()


def answers(port: int, path: str = "") -> bool:
    """Return whether a server listens on a port and, if a path is given, answers a request for it."""
    try:
        if not path:
            with socket.create_connection(("127.0.0.1", port), timeout=5):
                return True
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
            return True
    except OSError:
        return False


def computed(processes: Iterable[psutil.Process]) -> float:
    """Return the CPU seconds of processes without their children; processes that have ended are not counted."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def timed(
    options: list[str], setting: Setting, environment: dict[str, str], services: list[psutil.Process]
) -> dict[str, float]:
    """Return the seconds from the first run's start to the last run's end, and the share of core time not spent on runs."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from perturb.cli import main; main()", "run"]
        command += [str(ROOT / "configs" / "quickstart.toml"), "--budget", str(setting.budget), "--artifacts", folder]
        # After so few steps, restarts are over-pruned and patterns flat, which must not stop the experiment here.
        command += ["--set", "selection.max_unit_variance=1e9", "--set", "collapse.action=warn"]
        with subprocess.Popen(
            [*command, *options], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            bystanders, first = [*services, psutil.Process(process.pid)], None
            while process.poll() is None:
                used = computed(bystanders)
                if first is None and any(Path(folder).glob("runs/images-*")):
                    first, used_before = time.time(), used
                if not any(Path(folder).glob("runs/report-*")):
                    used_at_last = used
                time.sleep(0.02)
            if process.returncode:
                raise SystemExit(process.stderr.read().decode())
        last = max(path.stat().st_mtime for path in Path(folder).glob("runs/report-*"))
        worked = sum(
            read_json(manifest)["built"]["seconds"]
            for manifest in Path(folder).glob("runs/*/manifest.json")
            if manifest.stat().st_mtime > first
        )
        whole = setting.workers * (last - first)
        return {"work": last - first, "elsewhere": 1 - (worked - (used_at_last - used_before)) / whole}


def main(
    quick: Annotated[bool, typer.Option("--quick", help="One short round.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.")] = None,
) -> None:
    """Measure and print."""
    setting = Setting(0.02, 1, available_cores()) if quick else Setting(0.5, 3, available_cores())
    api, dask = free_port(), free_port()
    plain = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        environment = plain | {"PREFECT_API_URL": f"http://127.0.0.1:{api}/api", "PREFECT_HOME": home}
        server = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(api), "--analytics-off"]
        scheduler = ["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(dask), "--no-dashboard"]
        worker = ["-m", "distributed.cli.dask_worker", f"tcp://127.0.0.1:{dask}", "--nworkers", str(setting.workers)]
        services = [
            stack.enter_context(running([sys.executable, *command], environment))
            for command in (server, scheduler, [*worker, "--nthreads", "1", "--no-dashboard"])
        ]
        while not (answers(api, "/api/health") and answers(dask)):
            time.sleep(0.2)
        time.sleep(10)
        contestants = {
            PLAIN: (["--no-prefect", "--workers", str(setting.workers)], plain),
            "Prefect, processes": (["--runner", f"process:{setting.workers}"], environment),
            "Prefect, Dask": (["--runner", f"dask://127.0.0.1:{dask}"], environment),
        }
        times: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
        for number in range(setting.rounds):
            for name in list(contestants)[:: -1 if number % 2 else 1]:
                options, variables = contestants[name]
                times[name].append(timed(options, setting, variables, services))
                console.print(f"{name}: {json.dumps(times[name][-1])}")
    report(times, out, setting)


def report(times: dict[str, list[dict[str, float]]], out: Path | None, setting: Setting) -> None:
    """Print the table, and write the numbers as JSON."""
    table = Table("", "work, s", "over plain", "elsewhere", "over plain", title=f"budget {setting.budget:g}")
    found, base = {}, times[PLAIN]
    for name, rounds in times.items():
        pairs = list(zip(rounds, base, strict=True))
        entry = {
            "rounds": rounds,
            "work": _spread([one["work"] for one in rounds]),
            "work_over_plain": _spread([one["work"] / plain["work"] - 1 for one, plain in pairs]),
            "elsewhere": _spread([one["elsewhere"] for one in rounds]),
            "elsewhere_over_plain": _spread([one["elsewhere"] - plain["elsewhere"] for one, plain in pairs]),
        }
        found[name] = entry
        shares = [_percent(entry[key]) for key in ("work_over_plain", "elsewhere", "elsewhere_over_plain")]
        table.add_row(name, f"{entry['work']['median']:.1f}", *shares)
    console.print(table)
    worst = max(entry["elsewhere_over_plain"]["median"] for name, entry in found.items() if name != PLAIN)
    console.print(
        f"target: {MARK:.0%} over plain Python; {'met' if worst <= MARK else 'missed'} ({worst:+.1%} of the cores' time)"
    )
    if out is not None:
        write_json(out, {"settings": setting._asdict(), "mark": MARK, "found": found, "versions": software_versions()})


def _spread(values: list[float]) -> dict[str, float]:
    """Return the median, minimum and maximum over the rounds."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def _percent(spread: dict[str, float]) -> str:
    """Format a spread as `+1.2% (-3.0% to +4.1%)`."""
    return f"{spread['median']:+.1%} ({spread['least']:+.1%} to {spread['most']:+.1%})"


if __name__ == "__main__":
    typer.run(main)
