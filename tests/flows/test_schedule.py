"""Schedules and the form on Prefect's page, tested with a real server."""

import json
import subprocess
import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest
from real_browser import DESKTOP, chromium
from real_servers import COMMAND, post, started, wait_for

pytest.importorskip("prefect")
pytestmark = [pytest.mark.flow, pytest.mark.slow]
Perturb = Callable[..., subprocess.CompletedProcess]


def _completed(api: str, deployment: str) -> list[dict]:
    asked = {"state": {"type": {"any_": ["COMPLETED"]}}, "deployment_id": {"any_": [deployment]}}
    return post(api, "flow_runs/filter", {"flow_runs": asked})


def test_a_schedule_fires_and_its_form_schema_refuses_bad_values(
    tiny_toml: Path, tmp_path: Path, perturb: Perturb, api: str
) -> None:
    artifacts = tmp_path / "artifacts"
    first = perturb("run", tiny_toml, "--artifacts", artifacts, "--no-prefect", "--workers", 2)
    assert first.returncode == 0, first.stderr
    command = [*COMMAND, "schedule", str(tiny_toml), "--every", "5s", "--artifacts", str(artifacts), "--workers", "1"]
    home = {"PREFECT_API_URL": api, "PREFECT_HOME": str(tmp_path / "home")}
    with started(command, tmp_path / "schedule.log", **home) as serving:
        wait_for(lambda: post(api, "deployments/filter", {}), serving)
        (deployment,) = post(api, "deployments/filter", {})
        assert deployment["name"] == "tiny"
        steps = deployment["parameter_openapi_schema"]["definitions"]["TrainingConfig"]["properties"]["steps"]
        assert steps["type"] == "integer", "Prefect's page builds its form from this schema"
        bad = {**deployment["parameters"], "config": {**deployment["parameters"]["config"], "seed": -1}}
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(api, f"deployments/{deployment['id']}/create_flow_run", {"parameters": bad})
        assert refused.value.code in (409, 422)
        assert "-1 is less than the minimum of 0" in refused.value.read().decode()
        wait_for(lambda: _completed(api, deployment["id"]), serving)
        assert {run["name"] for run in _completed(api, deployment["id"])} == {"tiny"}
    artifacts = post(api, "artifacts/filter", {})
    tables = [json.loads(found["data"]) for found in artifacts if found["key"] == "tiny-table"]  # one of each firing
    assert tables
    assert all(row["mean"] == round(row["mean"], 2) for table in tables for row in table), "more would not fit the page"
    shown = {(found["key"], found["type"]) for found in artifacts}
    assert shown >= {
        ("tiny-table", "table"), ("tiny-report", "markdown"), ("tiny-images", "image"), ("tiny-mig", "image"),
        ("tiny-progress", "progress"), ("tiny-results", "markdown"),
    }  # fmt: skip


def test_the_form_on_prefects_page_refuses_a_bad_value(tiny_toml: Path, tmp_path: Path, api: str) -> None:
    command = [*COMMAND, "schedule", str(tiny_toml), "--every", "1h", "--artifacts", str(tmp_path / "artifacts")]
    home = {"PREFECT_API_URL": api, "PREFECT_HOME": str(tmp_path / "home")}
    hourly = {"deployments": {"paused": {"eq_": False}}}
    with chromium() as browser, started(command, tmp_path / "schedule.log", **home) as serving:
        wait_for(lambda: post(api, "deployments/filter", hourly), serving)
        (deployment,) = post(api, "deployments/filter", hourly)
        page = browser.new_page(viewport=DESKTOP)
        page.goto(f"{api.removesuffix('/api')}/deployments/deployment/{deployment['id']}/run")
        page.locator("input[type=number]").first.fill("-1")  # config.seed, the first number of the form
        page.get_by_role("button", name="Submit").click()
        page.get_by_text("field 'config.seed'. Failure reason: -1 is less than the minimum of 0").first.wait_for()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "schedule needs either --cron, for example '0 3 * * *', or --every, for example 12h"),
        (["--every", "5 minutes"], "--every must be a number above 0 and one of s, m, h, d, for example 12h; got 5 minutes"),
        (["--every", "0s"], "--every must be a number above 0"),
        (["--cron", "at noon"], "--cron must be five fields"),
    ],
    ids=["none", "words", "zero", "no cron"],
)
def test_an_invalid_schedule_is_refused(tiny_toml: Path, perturb: Perturb, options: list[str], sentence: str) -> None:
    found = perturb("schedule", tiny_toml, *options)
    assert found.returncode == 2
    assert f"perturb: {sentence}" in found.stderr


def test_without_a_server_the_user_is_told_how_to_start_one(tiny_toml: Path, perturb: Perturb) -> None:
    none = perturb("schedule", tiny_toml, "--every", "1h", PREFECT_API_URL="")
    assert none.returncode == 2
    assert "schedules need a permanent Prefect server: start one with `prefect server start`" in none.stderr
    silent = perturb("schedule", tiny_toml, "--every", "1h", PREFECT_API_URL="http://127.0.0.1:1/api")
    assert silent.returncode == 2
    assert "no Prefect server answers at http://127.0.0.1:1/api" in silent.stderr


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/api", "not an address"])
def test_a_configured_server_that_does_not_answer_is_reported_in_one_sentence(
    tiny_toml: Path, tmp_path: Path, perturb: Perturb, address: str
) -> None:
    done = perturb("run", tiny_toml, "--prefect", "--artifacts", tmp_path / "artifacts", PREFECT_API_URL=address)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert line.startswith(f"perturb: no Prefect server answers at {address}")
    assert "correct PREFECT_API_URL" in line
