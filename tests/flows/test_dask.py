"""The experiment on a real Dask cluster, with scheduler and workers in separate processes."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from real_servers import COMMAND, dask_worker, free_port, started, wait_for

from perturb.execution.build import WorkerLost
from perturb.execution.origin import WorkerMismatch, origin_at
from perturb.execution.settings import RunSettings
from perturb.files import read_json, sha256_of
from perturb.progress import read_fraction
from perturb.runs import MANIFEST

pytest.importorskip("distributed")

from perturb_flows import dask_workers

pytestmark = [pytest.mark.flow, pytest.mark.slow]
Perturb = Callable[..., subprocess.CompletedProcess]


def _rows(stdout: str) -> list[dict]:
    return json.loads(Path(stdout.strip().splitlines()[-1]).read_text())["rows"]


def test_the_rows_are_the_same_over_dask_and_in_plain_python(
    tiny_toml: Path, tmp_path: Path, perturb: Perturb, scheduler: str
) -> None:
    with dask_worker(scheduler, tmp_path), dask_worker(scheduler, tmp_path):
        over_dask = perturb("run", tiny_toml, "--artifacts", tmp_path / "dask", "--runner", f"dask://{scheduler}")
    assert over_dask.returncode == 0, over_dask.stderr
    plain = perturb("run", tiny_toml, "--artifacts", tmp_path / "plain", "--no-prefect", "--workers", 2)
    assert _rows(over_dask.stdout) == _rows(plain.stdout)
    assert list((tmp_path / "dask" / "scratch").iterdir()) == []


def test_a_worker_killed_during_a_training_loses_no_run(
    long_toml: Path, tmp_path: Path, perturb: Perturb, scheduler: str
) -> None:
    """Its training resumes from the checkpoint on the other worker, and every finished run is intact."""
    artifacts, lowest = tmp_path / "artifacts", {}
    with dask_worker(scheduler, tmp_path) as first, dask_worker(scheduler, tmp_path), ThreadPoolExecutor(1) as pool:
        done = pool.submit(
            perturb, "run", long_toml, "--artifacts", artifacts, "--runner", f"dask://{scheduler}", "--until", "restarts"
        )
        wait_for(lambda: len(list(artifacts.glob("scratch/restart-*/checkpoint.safetensors"))) == 2)
        first.kill()
        first.wait()
        killed_at = time.monotonic()
        at_kill = {path.parent: read_fraction(path.parent)[0] for path in artifacts.glob("scratch/restart-*/progress.json")}
        assert len(at_kill) == 2
        while not done.done():
            for folder in at_kill:
                fraction, _ = read_fraction(folder)
                if fraction > 0:
                    lowest[folder] = min(fraction, lowest.get(folder, 1.0))
            time.sleep(0.02)
        result = done.result()
    assert result.returncode == 0, result.stderr
    assert "restarts: 2 of 2" in result.stdout
    assert time.monotonic() - killed_at < 120
    for folder, before in at_kill.items():
        assert lowest.get(folder, 1.0) >= before - 2 * 10 / 300, "it started over instead of resuming"
    for run in (artifacts / "runs").iterdir():
        assert all(sha256_of(run / name) == entry["sha256"] for name, entry in read_json(run / MANIFEST)["files"].items())


def test_a_missing_scheduler_worker_or_gpu_is_reported_in_one_sentence(
    tiny_toml: Path, tmp_path: Path, perturb: Perturb, scheduler: str
) -> None:
    base = ["run", tiny_toml, "--artifacts", tmp_path / "artifacts", "--runner"]
    nowhere = perturb(*base, f"dask://127.0.0.1:{free_port()}")
    assert nowhere.returncode == 2
    assert "perturb: no Dask scheduler answers at 127.0.0.1:" in nowhere.stderr
    nobody = perturb(*base, f"dask://{scheduler}")
    assert nobody.returncode == 2
    assert f"perturb: the Dask scheduler at {scheduler} has no workers; start one with `dask worker" in nobody.stderr
    with dask_worker(scheduler, tmp_path):
        no_gpu = perturb(*base, f"dask://{scheduler}", "--device", "cuda")
    assert no_gpu.returncode == 2
    assert f"perturb: no worker of the Dask scheduler at {scheduler} offers a GPU" in no_gpu.stderr
    assert "Traceback" not in nowhere.stderr + nobody.stderr + no_gpu.stderr
    assert not list(tmp_path.glob("artifacts/runs/*"))


def test_work_that_needs_a_gpu_is_sent_to_workers_that_offer_one(tmp_path: Path, scheduler: str) -> None:
    settings = RunSettings(artifacts=tmp_path, device="cuda")
    with (
        dask_worker(scheduler, tmp_path, "--resources", "GPU=1") as with_gpu,
        dask_worker(scheduler, tmp_path),
        origin_at(tmp_path) as origin,
        dask_workers.DaskWorkers(f"tcp://{scheduler}", settings, origin) as workers,
        ThreadPoolExecutor(6) as pool,
    ):
        assert workers.slots == 1
        assert {pid.result() for pid in [pool.submit(workers.run, os.getpid) for _ in range(6)]} == {with_gpu.pid}


def test_work_that_kills_every_worker_is_given_up_and_the_cluster_survives(tmp_path: Path) -> None:
    with (
        origin_at(tmp_path) as origin,
        dask_workers.DaskWorkers(None, RunSettings(artifacts=tmp_path, workers=1), origin) as workers,
    ):
        with pytest.raises(WorkerLost, match="killed, or out of memory") as lost:
            workers.run(os._exit, 1)
        assert lost.value.workers == 3
        assert workers.run(sum, [1, 2]) == 3


def test_workers_and_schedulers_that_disappear_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_workers, "SECONDS_WITHOUT_WORKERS", 0.5)
    port = free_port()
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
    address, failed = f"127.0.0.1:{port}", []
    with started([*command, "--no-dashboard"], tmp_path / "log") as process, origin_at(tmp_path) as origin:
        with dask_worker(address, tmp_path) as worker:
            workers = dask_workers.DaskWorkers(f"tcp://{address}", RunSettings(artifacts=tmp_path), origin)
            workers.__enter__()
            workers.check()
            thread = threading.Thread(target=lambda: failed.append(_error(workers.run, time.sleep, 60)))
            thread.start()
            worker.kill()
        wait_for(lambda: "has no workers" in str(_error(workers.check)), seconds=30)
        process.kill()
        thread.join(timeout=60)
        assert "does not answer any more; what is done is kept" in str(failed[0])
        assert "does not answer any more" in str(_error(workers.check)) or "has no workers" in str(_error(workers.check))
        workers.__exit__(None, None, None)


def _error(work: Callable[..., object], *args: object) -> Exception | None:
    try:
        work(*args)
    except Exception as error:
        return error
    return None


@pytest.fixture
def other_code(tmp_path: Path) -> Path:
    """A copy of the package with one changed file."""
    root = Path(__file__).parents[2] / "perturb"
    shutil.copytree(root, tmp_path / "other" / "perturb", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "other" / "perturb" / "random" / "seeds.py").open("a") as file:
        file.write("# changed\n")
    return tmp_path / "other"


def test_a_worker_with_different_code_refuses_to_work_and_builds_nothing(
    tiny_toml: Path, tmp_path: Path, perturb: Perturb, scheduler: str, other_code: Path
) -> None:
    path = os.pathsep.join([str(other_code), os.environ.get("PYTHONPATH", "")])
    with dask_worker(scheduler, tmp_path, PYTHONPATH=path):
        found = perturb("run", tiny_toml, "--artifacts", tmp_path / "artifacts", "--runner", f"dask://{scheduler}")
    assert found.returncode == 2
    assert "has another version of the code, perturb" in found.stderr
    assert "It has built nothing." in found.stderr
    assert "Traceback" not in found.stderr
    assert not list(tmp_path.glob("artifacts/runs/*"))


def test_a_worker_that_cannot_see_the_shared_folder_refuses_to_work(tmp_path: Path, scheduler: str) -> None:
    with dask_worker(scheduler, tmp_path), origin_at(tmp_path) as origin:
        elsewhere = origin | {"mark": str(tmp_path / "not-shared"), "artifacts": str(tmp_path / "mine")}
        workers = dask_workers.DaskWorkers(f"tcp://{scheduler}", RunSettings(artifacts=tmp_path), elsewhere)
        with pytest.raises(
            WorkerMismatch, match=r"does not see the flow's folder .*mine; share that folder under the same path"
        ):
            workers.__enter__()


def test_a_killed_flow_is_resumed_from_what_its_workers_finished(
    long_toml: Path, tmp_path: Path, perturb: Perturb, api: str, scheduler: str
) -> None:
    artifacts = tmp_path / "artifacts"
    options = [
        "run",
        str(long_toml),
        "--artifacts",
        str(artifacts),
        "--runner",
        f"dask://{scheduler}",
        "--until",
        "restarts",
    ]
    with dask_worker(scheduler, tmp_path), dask_worker(scheduler, tmp_path):
        with started([*COMMAND, *options], tmp_path / "flow.log", PREFECT_API_URL=api) as flow:
            wait_for(lambda: len(list(artifacts.glob("scratch/restart-*/checkpoint.safetensors"))) == 2, flow)
            flow.kill()
        again = perturb(*options)
    assert again.returncode == 0, again.stderr
    assert "restarts: 2 of 2" in again.stdout
    assert len(list(artifacts.glob("runs/restart-*"))) == 2


def test_the_local_dask_cluster_needs_nothing_to_be_started(tiny_toml: Path, tmp_path: Path, perturb: Perturb) -> None:
    found = perturb(
        "run", tiny_toml, "--artifacts", tmp_path / "a", "--runner", "dask", "--workers", 2, "--until", "restarts"
    )
    assert found.returncode == 0, found.stderr
    assert "restarts: 2 of 2" in found.stdout
