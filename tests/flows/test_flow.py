"""The tiny experiment as a real Prefect flow, with a real temporary server and real worker processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from real_servers import COMMAND, post, processes_with, started, wait_for

pytest.importorskip("prefect")

Perturb = Callable[..., subprocess.CompletedProcess]
LAST_WORDS = """
import logging, time, uuid
from perturb_flows import pipeline
from perturb_flows.environment import silence
from perturb_flows.server import server

silence()
log = logging.getLogger("prefect.task_runs")
print("handlers:", len(log.handlers))
with server():
    log.info("last words", extra={"flow_run_id": str(uuid.uuid4())})
time.sleep(3)  # Prefect holds logs back for up to two seconds
"""
"""A program that logs immediately before its temporary server ends."""


@pytest.mark.slow
@pytest.mark.flow
def test_prefect_and_plain_python_share_their_runs(tiny_toml: Path, tmp_path: Path, perturb: Perturb, api: str) -> None:
    artifacts = tmp_path / "artifacts"
    tiny_toml.write_text(tiny_toml.read_text().replace(', "noise", "untrained"]', "]"))
    first = perturb("run", tiny_toml, "--artifacts", artifacts, "--runner", "process:2")
    assert first.returncode == 0, first.stderr
    results = Path(first.stdout.strip().splitlines()[-1])
    assert results.is_file()
    _check_page(api)
    before = {path: path.stat().st_mtime_ns for path in (artifacts / "runs").iterdir()}
    for options in (["--no-prefect"], ["--runner", "thread:1"]):
        again = perturb("run", tiny_toml, "--artifacts", artifacts, *options)
        assert again.returncode == 0, again.stderr
        assert again.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in (artifacts / "runs").iterdir()} == before


def _check_page(api: str) -> None:
    """Check the content of Prefect's page: tasks named by stage, dependencies on their inputs, and logs."""
    ended = {"state": {"type": {"any_": ["COMPLETED"]}}}
    (flow,) = post(api, "flow_runs/filter", {"flow_runs": ended, "sort": "END_TIME_DESC", "limit": 1})
    assert flow["name"] == "tiny"
    tasks = {task["id"]: task for task in post(api, "task_runs/filter", {"flow_runs": {"id": {"any_": [flow["id"]]}}})}
    assert {"ground truth", "restarts", "selection", "perturbation", "evaluation", "report"} <= {
        tag for task in tasks.values() for tag in task["tags"]
    }
    before = {
        task["name"]: {tasks[needed["id"]]["name"] for needed in task["task_inputs"]["wait_for"]}
        for task in tasks.values()
        if "wait_for" in task["task_inputs"]
    }
    assert before["selection"] == {"restarts: restart 0", "restarts: restart 1"}
    assert before["evaluation: beta-VAE, modified, seed 0"] == {"benchmark files: modified.h5"}
    logs = post(api, "logs/filter", {"logs": {"flow_run_id": {"any_": [flow["id"]]}}})
    messages = [log["message"] for log in logs]
    assert any(message.startswith("report: built, in runs/report-") for message in messages)


@pytest.mark.flow
@pytest.mark.slow
@pytest.mark.parametrize("runner", ["thread:2", "process:1"])
def test_a_user_error_inside_a_task_is_reported_in_one_sentence(
    tiny_toml: Path, tmp_path: Path, perturb: Perturb, runner: str
) -> None:
    strict = tmp_path / "strict.toml"
    strict.write_text(tiny_toml.read_text().replace("max_unit_variance = 100.0", "max_unit_variance = 0.01"))
    found = perturb("run", strict, "--artifacts", tmp_path / "artifacts", "--runner", runner)
    assert found.returncode == 2
    assert "perturb: selection needs 2 eligible restarts" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.flow
@pytest.mark.slow
def test_a_killed_flow_leaves_no_process_behind_and_can_be_resumed(
    tiny_toml: Path, tmp_path: Path, perturb: Perturb
) -> None:
    """This flow starts its own server, which must end with it."""
    artifacts, mark = tmp_path / "artifacts", f"mark-of-{tmp_path.name}-{os.getpid()}"
    command = [*COMMAND, "run", str(tiny_toml), "--prefect", "--workers", "2", "--artifacts", str(artifacts)]
    command += ["--until", "restarts"]
    environment = {"PREFECT_HOME": str(tmp_path / "own"), "PERTURB_TEST_MARK": mark, "PREFECT_API_URL": ""}
    with started(command, tmp_path / "flow.log", **environment) as flow:
        wait_for(lambda: len(list(artifacts.glob("runs/*"))) >= 3, flow)
        assert len(processes_with(mark)) >= 4, "the flow, its server and two workers must be running"
        flow.kill()
        flow.wait()
        wait_for(lambda: not processes_with(mark), seconds=20)
    survivors = {path: path.stat().st_mtime_ns for path in (artifacts / "runs").iterdir()}
    again = perturb("run", tiny_toml, "--artifacts", artifacts, "--until", "restarts", "--prefect")
    assert again.returncode == 0, again.stderr
    assert "restarts: 2 of 2" in again.stdout
    assert all(path.stat().st_mtime_ns == made for path, made in survivors.items())


@pytest.mark.flow
@pytest.mark.slow
def test_the_last_logs_are_sent_before_the_temporary_server_ends(tmp_path: Path) -> None:
    environment = os.environ | {"PREFECT_API_URL": "", "PREFECT_HOME": str(tmp_path / "own")}
    command = [sys.executable, "-c", LAST_WORDS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert "handlers: 1" in done.stdout, "Prefect must be set to send these logs"
    assert "Error logging" not in done.stderr


def test_an_unknown_runner_is_refused(tiny_toml: Path, tmp_path: Path, perturb: Perturb) -> None:
    found = perturb("run", tiny_toml, "--artifacts", tmp_path / "artifacts", "--runner", "carrier-pigeon")
    assert found.returncode == 2
    assert "--runner must be thread:N or process:N with N at least 1, dask, or dask://HOST:PORT; got" in found.stderr
    assert not (tmp_path / "artifacts").exists()
