"""Cost of a kill -9: finished runs lost, training runs restarted, files corrupted, and the time until training continues.

    python benchmarks/recovery.py [--quick] [--json OUT]

Two workers train restarts of the quickstart. When every training run in progress has a checkpoint, we kill the flow, one of
its processes or one Dask worker. A killed flow is started again at once. Time counts from the kill until a training run has
got further than before. --quick trains for fewer steps.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from orchestration import ROOT, answers, free_port, running
from rich.console import Console
from rich.table import Table

from perturb.files import read_json, sha256_of, write_json
from perturb.machine import software_versions
from perturb.progress import read_fraction
from perturb.runs import MANIFEST

WORKERS = 2
console = Console()


def fractions(artifacts: Path) -> dict[str, float]:
    """Return the completed fraction of each training run in progress."""
    return {path.parent.name: read_fraction(path.parent)[0] for path in artifacts.glob("scratch/restart-*/progress.json")}


def finished(artifacts: Path) -> dict[str, int]:
    """Return the modification times of finished runs' manifests, in nanoseconds."""
    return {path.parent.name: path.stat().st_mtime_ns for path in artifacts.glob(f"runs/*/{MANIFEST}")}


def torn(artifacts: Path) -> int:
    """Count the files of finished runs that do not match their manifests."""
    listed = [(path.parent, read_json(path)["files"]) for path in artifacts.glob(f"runs/*/{MANIFEST}")]
    return sum(sha256_of(run / name) != entry["sha256"] for run, files in listed for name, entry in files.items())


def children(pid: int) -> list[int]:
    """Return the ids of a flow's worker processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and "spawn_main" in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def measure(command: list[str], victim: Callable[[int], int], *, again: bool) -> dict[str, float]:
    """Run a flow, kill the victim once, start the flow again if `again`, and wait until it ends."""
    artifacts = Path(command[command.index("--artifacts") + 1])
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    flow = subprocess.Popen(command, **quiet)
    while len(list(artifacts.glob("scratch/restart-*/checkpoint.safetensors"))) < WORKERS:
        if flow.poll() is not None:
            raise SystemExit("the flow ended before it could be killed")
        time.sleep(0.02)
    os.kill(victim(flow.pid), signal.SIGKILL)
    killed, before, made = time.monotonic(), fractions(artifacts), finished(artifacts)
    if again:
        flow.wait()
        flow = subprocess.Popen(command, **quiet)
    back: dict[str, float] = {}
    lowest = dict.fromkeys(before, 1.0)
    while flow.poll() is None:
        for name, fraction in fractions(artifacts).items():
            if 0 < fraction < before.get(name, 0) / 3:
                lowest[name] = fraction
            if fraction > before.get(name, 1.0):
                back.setdefault(name, time.monotonic() - killed)
        time.sleep(0.02)
    if flow.returncode:
        raise SystemExit(f"the flow ended with code {flow.returncode}")
    now = finished(artifacts)
    return {
        "runs lost": sum(now.get(name) != stamp for name, stamp in made.items()),
        "trainings under way": len(before),
        "begun anew": sum(fraction < 1.0 for fraction in lowest.values()),
        "files torn": torn(artifacts),
        "seconds to progress": round(max(back.values(), default=float("nan")), 1),
    }


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer steps.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.")] = None,
) -> None:
    """Measure and print."""
    port, found = free_port(), {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        python = [sys.executable, "-m"]
        scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
        stack.enter_context(running([*python, *scheduler], dict(os.environ)))
        worker = ["distributed.cli.dask_worker", f"127.0.0.1:{port}", "--nthreads", "1", "--no-dashboard", "--no-nanny"]
        while not answers(port):
            time.sleep(0.1)
        workers = [subprocess.Popen([*python, *worker], stderr=subprocess.DEVNULL) for _ in range(WORKERS)]
        stack.callback(lambda: [process.kill() for process in workers])
        time.sleep(15)
        options = {
            "the flow": (["--no-prefect", "--workers", str(WORKERS)], lambda pid: pid, True),
            "a process": (["--no-prefect", "--workers", str(WORKERS)], lambda pid: children(pid)[0], False),
            "a Dask worker": (["--runner", f"dask://127.0.0.1:{port}"], lambda _: workers[0].pid, False),
        }
        for name, (chosen, victim, again) in options.items():
            artifacts = folder / name.replace(" ", "-")
            command = [sys.executable, "-c", "from perturb.cli import main; main()", "run", "--artifacts", str(artifacts)]
            command += [str(ROOT / "configs" / "quickstart.toml"), "--budget", "0.4" if quick else "1", "--stack", "1"]
            command += ["--until", "restarts", "--set", "restarts.num=4", "--set", "training.checkpoint_every=100"]
            found[name] = measure([*command, *chosen], victim, again=again)
            shutil.rmtree(artifacts)
    table = Table("killed", *next(iter(found.values())))
    for name, entry in found.items():
        table.add_row(name, *map(str, entry.values()))
    console.print(table)
    if out is not None:
        write_json(out, {"found": found, "versions": software_versions()})


if __name__ == "__main__":
    typer.run(main)
