"""What a flow costs: the same experiment in plain Python, as a Prefect flow, and over Dask.

    python benchmarks/orchestration.py [--quick] [--json OUT]

The quickstart at a fifth of its steps, each way in a fresh folder, in turns, every other round in the
opposite order, since whoever comes first finds the machine otherwise; --quick: at a fiftieth, once. A Prefect server and a
Dask scheduler with a worker for each core run all the time. What is compared is from the first run directory's beginning to
the last one's end, and the whole command besides. The mark is 3 % over plain Python.
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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from perturb.files import write_json
from perturb.pipeline.settings import available_cores
from perturb.runs import software_versions

ROOT = Path(__file__).parent.parent
MARK = 0.03
console = Console()


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    """A process for the length of the block."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, **quiet) as process:
        try:
            yield
        finally:
            process.kill()


def answers(port: int, path: str = "") -> bool:
    """Whether somebody listens there, and answers where a path is given."""
    try:
        if not path:
            with socket.create_connection(("127.0.0.1", port), timeout=5):
                return True
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
            return True
    except OSError:
        return False


def timed(options: list[str], budget: float, environment: dict[str, str]) -> dict[str, float]:
    """Seconds of the whole command, and from the first sign of a run to the last run's end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from perturb.cli import main; main()", "run"]
        command += [str(ROOT / "configs" / "quickstart.toml"), "--budget", str(budget), "--artifacts", folder]
        # Trained so briefly, restarts are over-pruned and patterns flat, which is not the question here.
        command += ["--set", "selection.max_unit_variance=1e9", "--set", "collapse.action=warn"]
        started, first = time.monotonic(), None
        with subprocess.Popen(
            [*command, *options], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            while process.poll() is None:
                if first is None and any(Path(folder).glob("runs/images-*")):
                    first = time.time()
                time.sleep(0.02)
            if process.returncode:
                raise SystemExit(process.stderr.read().decode())
        whole = time.monotonic() - started
        last = max(path.stat().st_mtime for path in Path(folder).glob("runs/report-*"))
        return {"work": last - first, "command": whole}


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A look.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Keep the numbers here.")] = None,
) -> None:
    """Measure and print."""
    budget, rounds, workers = (0.02, 1, available_cores()) if quick else (0.2, 6, available_cores())
    api, dask = free_port(), free_port()
    plain = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        environment = plain | {"PREFECT_API_URL": f"http://127.0.0.1:{api}/api", "PREFECT_HOME": home}
        server = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(api), "--analytics-off"]
        scheduler = ["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(dask), "--no-dashboard"]
        worker = ["-m", "distributed.cli.dask_worker", f"tcp://127.0.0.1:{dask}", "--nworkers", str(workers)]
        for command in (server, scheduler, [*worker, "--nthreads", "1", "--no-dashboard"]):
            stack.enter_context(running([sys.executable, *command], environment))
        while not (answers(api, "/api/health") and answers(dask)):
            time.sleep(0.2)
        time.sleep(10)
        contestants = {
            "plain Python": (["--no-prefect", "--workers", str(workers)], plain),
            "Prefect, processes": (["--runner", f"process:{workers}"], environment),
            "Prefect, Dask": (["--runner", f"dask://127.0.0.1:{dask}"], environment),
        }
        times: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
        for number in range(rounds):
            for name in list(contestants)[:: -1 if number % 2 else 1]:
                options, variables = contestants[name]
                times[name].append(timed(options, budget, variables))
                console.print(f"{name}: {json.dumps(times[name][-1])}")
    report(times, out, {"budget": budget, "rounds": rounds, "workers": workers})


def report(times: dict[str, list[dict[str, float]]], out: Path | None, settings: dict[str, float]) -> None:
    """The table, and the numbers as JSON."""
    table = Table("", "work, s", "over plain", "command, s", "over plain", title=f"budget {settings['budget']:g}")
    found = {}
    for name, rounds in times.items():
        entry: dict[str, object] = {"rounds": rounds}
        for kind in ("work", "command"):
            ratios = [one[kind] / base[kind] - 1 for one, base in zip(rounds, times["plain Python"], strict=True)]
            entry |= {kind: statistics.median(one[kind] for one in rounds), f"{kind}_over_plain": statistics.median(ratios)}
            entry[f"{kind}_over_plain_range"] = [min(ratios), max(ratios)]
        found[name] = entry
        cells = [cell for kind in ("work", "command") for cell in (f"{entry[kind]:.1f}", _over(entry, kind))]
        table.add_row(name, *cells)
    console.print(table)
    worst = max(entry["work_over_plain"] for entry in found.values())
    console.print(f"mark: {MARK:.0%} over plain Python; {'kept' if worst <= MARK else 'missed'} ({worst:+.1%})")
    if out is not None:
        write_json(out, {"settings": settings, "mark": MARK, "found": found, "versions": software_versions()})


def _over(entry: dict, kind: str) -> str:
    """`+1.2% (−3.0% to +4.1%)`: median and range of the rounds."""
    low, high = entry[f"{kind}_over_plain_range"]
    return f"{entry[f'{kind}_over_plain']:+.1%} ({low:+.1%} to {high:+.1%})"


if __name__ == "__main__":
    typer.run(main)
