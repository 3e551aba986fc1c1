"""The same experiment as a real Prefect flow, on a real temporary server, over real worker processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("prefect")

COMMAND = [sys.executable, "-c", "from perturb.cli import main; main()", "run"]


def _run(config: Path, artifacts: Path, home: Path, *options: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PREFECT_HOME": str(home), "PREFECT_SERVER_UI_ENABLED": "false"}
    return subprocess.run(
        [*COMMAND, str(config), "--artifacts", str(artifacts), *options],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.flow
def test_prefect_and_plain_python_share_their_runs(tiny_toml: Path, tmp_path: Path) -> None:
    artifacts, home = tmp_path / "artifacts", tmp_path / "prefect"
    first = _run(tiny_toml, artifacts, home, "--runner", "process:2")
    assert first.returncode == 0, first.stderr
    results = Path(first.stdout.strip().splitlines()[-1])
    assert results.is_file()
    before = {path: path.stat().st_mtime_ns for path in (artifacts / "runs").iterdir()}
    for options in (["--no-prefect"], ["--runner", "thread:1"]):
        again = _run(tiny_toml, artifacts, home, *options)
        assert again.returncode == 0, again.stderr
        assert again.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in (artifacts / "runs").iterdir()} == before


@pytest.mark.flow
@pytest.mark.parametrize("runner", ["thread:2", "process:1"])
def test_a_users_error_inside_a_task_is_one_sentence(tiny_toml: Path, tmp_path: Path, runner: str) -> None:
    strict = tmp_path / "strict.toml"
    strict.write_text(tiny_toml.read_text().replace("active_share = 0.0", "active_share = 1.0"))
    found = _run(strict, tmp_path / "artifacts", tmp_path / "prefect", "--runner", runner)
    assert found.returncode == 2
    assert "perturb: selection needs 2 eligible restarts" in found.stderr
    assert "Traceback" not in found.stderr


def test_an_unknown_runner_is_refused(tiny_toml: Path, tmp_path: Path) -> None:
    found = _run(tiny_toml, tmp_path / "artifacts", tmp_path / "prefect", "--runner", "carrier-pigeon")
    assert found.returncode == 2
    assert "--runner must be thread:N or process:N with N at least 1, got carrier-pigeon" in found.stderr
    assert not (tmp_path / "artifacts").exists()
