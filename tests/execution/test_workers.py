"""Workers that die, hang or run out of disk space, and the code that waits for them."""

import multiprocessing
import os
import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from full_disk import small_disk
from real_servers import COMMAND, started, wait_for

from perturb.config import ExperimentConfig
from perturb.errors import UserError
from perturb.execution import scheduler
from perturb.execution.build import WorkerLost
from perturb.execution.local import run_locally
from perturb.execution.origin import WorkerMismatch, check_origin, origin_at, source_hash
from perturb.execution.processes import Processes
from perturb.execution.scheduler import Scheduler
from perturb.execution.settings import RunSettings
from perturb.execution.time_limit import ensure_within
from perturb.experiment.plan import plan_experiment
from perturb.experiment.stages import STAGES
from perturb.files import read_json, sha256_of
from perturb.runs import MANIFEST, RunSpec, Store


def test_a_killed_process_does_not_affect_the_work_of_other_processes() -> None:
    with Processes(2) as processes, ThreadPoolExecutor(2) as threads:
        lost, kept = threads.submit(processes.run, os._exit, 1), threads.submit(processes.run, time.sleep, 1.0)
        with pytest.raises(WorkerLost, match="its process was killed"):
            lost.result(timeout=60)
        assert kept.result(timeout=60) is None
        assert processes.run(sum, [1, 2]) == 3, "a new process replaces the dead one"
    wait_for(lambda: not multiprocessing.active_children())


@pytest.fixture
def long(tiny: ExperimentConfig) -> ExperimentConfig:
    """Return the tiny experiment with trainings that take about a second."""
    training = tiny.training.model_copy(update={"steps": 80, "checkpoint_every": 10})
    return tiny.model_copy(update={"training": training})


def test_a_run_that_keeps_killing_its_worker_is_given_up_and_named(tiny: ExperimentConfig, tmp_path: Path) -> None:
    """The other runs are built, and the broken one is not tried a fourth time."""
    asked: list[str] = []
    plan, store = plan_experiment(tiny), Store(tmp_path, STAGES)
    broken = plan.networks.restarts[1]

    def submit(unit: list[RunSpec]) -> object:
        asked.extend(spec.label for spec in unit)
        return threads.submit(_build_or_die, store, unit, broken.id)

    with ThreadPoolExecutor(1) as threads:
        workers = Scheduler(plan, store, submit=submit, error_of=lambda future: future.exception(), workers=1)
        for stage in plan.stages[:1]:
            workers.finish(stage, last=True)
        with pytest.raises(UserError, match=r"^restart 1: 3 workers died while they built it \(killed\), so it is given up"):
            workers.finish(plan.stages[1], last=True)
    assert asked.count("restart 1") == scheduler.TRIES
    assert store.is_complete(plan.networks.restarts[0])


def _build_or_die(store: Store, unit: list[RunSpec], broken: str) -> None:
    if any(spec.id == broken for spec in unit):
        raise WorkerLost("killed")
    store.ensure_all(unit)


def test_a_run_that_a_worker_reports_as_done_but_did_not_store_is_an_error(
    tiny: ExperimentConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "SECONDS_UNTIL_SEEN", 0.2)
    plan = plan_experiment(tiny)
    with ThreadPoolExecutor(1) as threads:
        workers = Scheduler(
            plan, Store(tmp_path, STAGES), submit=lambda unit: threads.submit(list),
            error_of=lambda future: future.exception(), workers=1,
        )  # fmt: skip
        with pytest.raises(UserError, match=r"a worker says that it is done, but .*images-\w+ is not there"):
            workers.finish(plan.stages[0])


@pytest.mark.slow
def test_no_run_is_lost_when_a_worker_process_is_killed(long: ExperimentConfig, tmp_path: Path) -> None:
    """A worker killed in the middle of a training is replaced, and the training is completed."""
    killed = []

    def kill() -> None:
        wait_for(lambda: list(tmp_path.glob("scratch/restart-*/checkpoint.safetensors")))
        child = multiprocessing.active_children()[0]
        killed.append(child.pid)
        child.kill()

    with ThreadPoolExecutor(1) as watcher:
        watching = watcher.submit(kill)
        plan = run_locally(long, RunSettings(artifacts=tmp_path, workers=1), until="restarts")
        watching.result()
    store = Store(tmp_path, STAGES)
    assert killed
    assert all(store.is_complete(spec) for spec in plan.networks.restarts)
    assert not [path for path in (tmp_path / "scratch").iterdir() if path.suffix != ".out"], (
        "the unfinished run of the killed process is left behind"
    )


@pytest.mark.slow
def test_two_flows_on_the_same_config_build_each_run_only_once(tiny_toml: Path, tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    command = [*COMMAND, "run", str(tiny_toml), "--artifacts", str(artifacts), "--no-prefect", "--workers", "1"]
    with started(command, tmp_path / "one.log") as one, started(command, tmp_path / "two.log") as two:
        started_builds: set[str] = set()
        while one.poll() is None or two.poll() is None:
            started_builds |= {path.name for path in artifacts.glob("scratch/*.out")}
            time.sleep(0.005)
    assert (one.returncode, two.returncode) == (0, 0), (tmp_path / "one.log").read_text()[-2000:]
    built = [name.partition(".")[0] for name in started_builds]
    assert len(built) > 20
    assert len(built) == len(set(built)), "no build was started twice"
    assert _all_whole(artifacts)
    assert list((artifacts / "scratch").iterdir()) == []


def _all_whole(artifacts: Path) -> bool:
    """Return whether every file of every finished run matches its manifest. Unpacked images are not checked."""
    return all(
        sha256_of(run / name) == entry["sha256"]
        for run in (artifacts / "runs").iterdir()
        if not run.name.startswith("pixels")
        for name, entry in read_json(run / MANIFEST)["files"].items()
    )


def test_a_training_that_exceeds_the_time_limit_is_stopped_and_named(tiny: ExperimentConfig, tmp_path: Path) -> None:
    endless = tiny.training.model_copy(update={"steps": 10**9})
    config = tiny.model_copy(update={"training": endless})
    plan = plan_experiment(config)
    settings = RunSettings(artifacts=tmp_path, workers=1)
    Store(tmp_path, STAGES).ensure(plan.images)
    with pytest.raises(UserError, match=r"^restart 0: not done within --time-limit 0.05 minutes; running again"):
        ensure_within([plan.networks.restarts[0]], settings, 0.05)
    assert Store(tmp_path, STAGES).scratch(plan.networks.restarts[0].inputs["restart"]).is_dir(), "its checkpoints are kept"
    assert not Store(tmp_path, STAGES).is_being_built(plan.networks.restarts[0].inputs["restart"]), "its process is gone"


def test_a_run_within_the_time_limit_is_built_as_usual(tiny: ExperimentConfig, tmp_path: Path) -> None:
    plan = plan_experiment(tiny)
    (found,) = ensure_within([plan.images], RunSettings(artifacts=tmp_path), 5.0)
    assert (found.run, found.how) == (plan.images.id, "built")


def test_a_full_disk_ends_the_flow_with_a_message_and_no_traceback(tiny_toml: Path, tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    with small_disk(artifacts, megabytes=14):
        command = [*COMMAND, "run", str(tiny_toml), "--artifacts", str(artifacts), "--no-prefect", "--workers", "1"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert found.returncode == 2, found.stderr
        assert re.search(r"perturb: .*(needs up to|the disk of .* is full; )", found.stderr)
        assert "Traceback" not in found.stderr
        assert _all_whole(artifacts)


def test_workers_with_another_code_version_or_another_artifacts_folder_are_refused(tmp_path: Path) -> None:
    with origin_at(tmp_path) as origin:
        check_origin(origin)
        assert origin["source"] == source_hash()
        stages = origin["stages"] | {"restart": 0}
        for other in (origin | {"source": "0" * 64}, origin | {"version": "0.0.1"}, origin | {"stages": stages}):
            with pytest.raises(WorkerMismatch, match=r"has another version of the code, perturb .* than the flow"):
                check_origin(other)
        (mark,) = (tmp_path / "scratch").iterdir()
        with pytest.raises(WorkerMismatch, match=r"does not see the flow's folder"):
            check_origin(origin | {"mark": str(mark) + "0"})
    assert list((tmp_path / "scratch").iterdir()) == []


def test_closing_the_process_pool_leaves_no_threads_behind() -> None:
    before = threading.active_count()
    with Processes(2) as processes:
        assert processes.run(abs, -3) == 3
    assert threading.active_count() == before
