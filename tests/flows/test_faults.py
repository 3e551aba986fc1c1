"""Flows survive `kill -9` of the processes they rely on. Also tests `perturb doctor` and prefect.yaml."""

import os
import signal
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from real_servers import COMMAND, free_port, prefect_server, processes_with, started, wait_for

from perturb.config import load_experiment

pytest.importorskip("prefect")
pytestmark = [pytest.mark.flow, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
Perturb = Callable[..., subprocess.CompletedProcess]


def test_no_run_is_lost_when_the_prefect_server_is_killed(long_toml: Path, tmp_path: Path) -> None:
    """Trainings continue without the server, and the flow completes with a message."""
    artifacts, home = tmp_path / "artifacts", tmp_path / "server"
    options = ["run", str(long_toml), "--artifacts", str(artifacts), "--until", "restarts", "--workers", "2", "--prefect"]
    with prefect_server(home, free_port()) as (api, server):
        environment = {"PREFECT_API_URL": api, "PREFECT_HOME": str(home), "PREFECT_CLIENT_MAX_RETRIES": "1"}
        with started([*COMMAND, *options], tmp_path / "flow.log", **environment) as flow:
            wait_for(lambda: list(artifacts.glob("scratch/restart-*/checkpoint.safetensors")), flow)
            server.kill()
            server.wait()
            assert flow.wait(timeout=400) == 0
    output = (tmp_path / "flow.log").read_text()
    assert "restarts: 2 of 2" in output
    assert "the Prefect server does not answer any more" in output
    assert "Traceback" not in output


def test_a_flow_completes_after_a_worker_process_is_killed(long_toml: Path, tmp_path: Path, api: str) -> None:
    artifacts = tmp_path / "artifacts"
    options = ["run", str(long_toml), "--artifacts", str(artifacts), "--until", "restarts", "--runner", "process:2"]
    environment = {"PREFECT_API_URL": api, "PREFECT_HOME": str(tmp_path / "home")}
    with started([*COMMAND, *options], tmp_path / "flow.log", **environment) as flow:
        wait_for(lambda: list(artifacts.glob("scratch/restart-*/checkpoint.safetensors")), flow)
        workers = [pid for pid, line in processes_with(str(tmp_path)).items() if "spawn_main" in line]
        os.kill(workers[0], signal.SIGKILL)
        assert flow.wait(timeout=400) == 0
    output = (tmp_path / "flow.log").read_text()
    assert "restarts: 2 of 2" in output
    assert "Traceback" not in output
    assert not [path for path in (artifacts / "scratch").iterdir() if path.suffix != ".out"], (
        "the unfinished run of the killed process is left behind"
    )


def test_the_doctor_reports_a_working_setup_and_names_what_is_wrong_in_a_broken_one(
    tiny_toml: Path, tmp_path: Path, perturb: Perturb
) -> None:
    well = perturb("doctor", tiny_toml, "--artifacts", tmp_path, "--device", "cpu")
    assert well.returncode == 0, well.stdout + well.stderr
    lines = {line.split()[1]: line for line in well.stdout.splitlines()}
    assert {line.split()[0] for line in lines.values()} <= {"ok", "warning"}
    assert {"python", "packages", "device", "bfloat16", "disk", "artifacts", "data", "prefect"} <= set(lines)
    assert "a server answers at http://127.0.0.1:" in lines["prefect"]
    ill = perturb(
        "doctor", tiny_toml, "--artifacts", tmp_path, "--device", "cuda:9", "--dask", f"127.0.0.1:{free_port()}",
        PREFECT_API_URL="http://127.0.0.1:1/api",
    )  # fmt: skip
    assert ill.returncode == 1
    wrong = [line.split()[1] for line in ill.stdout.splitlines() if line.startswith("wrong")]
    assert wrong == ["device", "prefect", "dask"]
    assert "Traceback" not in ill.stderr


def test_the_deep_check_of_the_doctor_fires_a_schedule_and_completes_its_run(tmp_path: Path, perturb: Perturb) -> None:
    found = perturb("doctor", "--artifacts", tmp_path, "--device", "cpu", "--deep")
    assert found.returncode == 0, found.stdout
    assert "one fired and its run was completed" in found.stdout


def test_the_deployment_in_prefect_yaml_runs_the_quickstart_config() -> None:
    import yaml
    from perturb_flows.pipeline import study

    found = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    (deployment,) = found["deployments"]
    path, _, name = deployment["entrypoint"].partition(":")
    assert (ROOT / path).is_file()
    assert name == study.fn.__name__
    values = study.validate_parameters(deployment["parameters"])
    assert values["config"] == load_experiment(ROOT / "configs" / "quickstart.toml")
    assert found["prefect-version"] == version("prefect")
