"""The same experiment as a real Prefect flow, on a real temporary server, over real worker processes."""

import os
import signal
import subprocess
import sys
import time
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
    strict.write_text(tiny_toml.read_text().replace("max_unit_variance = 100.0", "max_unit_variance = 0.01"))
    found = _run(strict, tmp_path / "artifacts", tmp_path / "prefect", "--runner", runner)
    assert found.returncode == 2
    assert "perturb: selection needs 2 eligible restarts" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.flow
def test_a_killed_flow_leaves_no_process_behind_and_goes_on(tiny_toml: Path, tmp_path: Path) -> None:
    artifacts, home = tmp_path / "artifacts", tmp_path / "prefect"
    command = [*COMMAND, str(tiny_toml), "--artifacts", str(artifacts), "--runner", "process:2"]
    environment = os.environ | {"PREFECT_HOME": str(home), "PERTURB_TEST_MARK": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 200
        while len(list(artifacts.glob("runs/*"))) < 5:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert len(_processes_with(str(tmp_path))) >= 4, "the flow, its server and two workers"
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while left := _processes_with(str(tmp_path)):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    survivors = {path: path.stat().st_mtime_ns for path in (artifacts / "runs").iterdir()}
    again = _run(tiny_toml, artifacts, home, "--runner", "process:2")
    assert again.returncode == 0, again.stderr
    assert all(path.stat().st_mtime_ns == made for path, made in survivors.items())
    assert not _processes_with(str(home))


def _processes_with(mark: str) -> list[str]:
    """Processes, other than zombies, whose environment holds the mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def test_an_unknown_runner_is_refused(tiny_toml: Path, tmp_path: Path) -> None:
    found = _run(tiny_toml, tmp_path / "artifacts", tmp_path / "prefect", "--runner", "carrier-pigeon")
    assert found.returncode == 2
    assert "--runner must be thread:N or process:N with N at least 1, dask, dask://HOST:PORT or ray; got" in found.stderr
    assert not (tmp_path / "artifacts").exists()
