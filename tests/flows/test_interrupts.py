"""On Ctrl-C and SIGTERM, commands stop soon, print one sentence, and can be run again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from real_servers import free_port, post, prefect_server, wait_for

from perturb.errors import INTERRUPTED

pytest.importorskip("prefect")
pytestmark = [pytest.mark.flow, pytest.mark.slow]
# Shells make background jobs ignore Ctrl-C, and the tests may run as one.
CODE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from perturb.cli import main; main()"
SECONDS_TO_END = 20
"""The goal is five seconds, but a busy machine may take longer."""


@contextmanager
def _at_a_terminal(*arguments: object, cwd: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command in its own process group, because Ctrl-C in a terminal reaches the whole group."""
    environment = os.environ | {"PREFECT_HOME": str(cwd / "home")} | environment
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _interrupted(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Send Ctrl-C to the process group. Return the exit code and the lines of the error output."""
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=SECONDS_TO_END)
    return process.returncode, stderr.rstrip().splitlines()


def _terminated(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Send SIGTERM to the command alone. Return the exit code and the lines of the error output."""
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=SECONDS_TO_END)
    return process.returncode, stderr.rstrip().splitlines()


@pytest.mark.parametrize("stop", ["ctrl-c", "terminated"])
@pytest.mark.parametrize("options", [[], ["--prefect"]], ids=["plain", "prefect"])
def test_an_interrupted_run_ends_with_one_sentence_and_completes_when_run_again(
    long_toml: Path, tmp_path: Path, api: str, options: list[str], stop: str
) -> None:
    arguments = ["run", long_toml, "--artifacts", tmp_path / "artifacts", "--until", "restarts", "--workers", 2, *options]
    with _at_a_terminal(*arguments, cwd=tmp_path, PREFECT_API_URL=api) as process:
        wait_for(lambda: list((tmp_path / "artifacts").glob("scratch/restart-*/checkpoint.safetensors")), process)
        code, lines = _interrupted(process) if stop == "ctrl-c" else _terminated(process)
    assert code == 130
    assert lines[-1] == INTERRUPTED
    assert not [line for line in lines[:-1] if "ground truth" not in line], "nothing but the progress printed before"
    with _at_a_terminal(*arguments, cwd=tmp_path, PREFECT_API_URL=api) as again:
        _, stderr = again.communicate(timeout=300)
    assert again.returncode == 0, stderr


def test_ctrl_c_ends_a_flow_whose_prefect_server_was_killed(long_toml: Path, tmp_path: Path) -> None:
    arguments = ["run", long_toml, "--artifacts", tmp_path / "artifacts", "--until", "restarts", "--prefect"]
    with (
        prefect_server(tmp_path / "server", free_port()) as (api, server),
        _at_a_terminal(*arguments, cwd=tmp_path, PREFECT_API_URL=api) as process,
    ):
        wait_for(lambda: list((tmp_path / "artifacts").glob("scratch/restart-*/checkpoint.safetensors")), process)
        server.kill()
        server.wait()
        code, lines = _interrupted(process)
    assert (code, lines[-1]) == (130, INTERRUPTED)
    assert "Traceback" not in "\n".join(lines)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_a_schedule_states_what_it_does_and_stops_cleanly(
    tiny_toml: Path, tmp_path: Path, api: str, stop: signal.Signals
) -> None:
    arguments = ["schedule", tiny_toml, "--every", "12h", "--artifacts", tmp_path / "artifacts"]
    with _at_a_terminal(*arguments, cwd=tmp_path, PREFECT_API_URL=api) as process:
        first = process.stdout.readline()
        wait_for(lambda: [found for found in post(api, "deployments/filter", {}) if found["status"] == "READY"], process)
        process.send_signal(stop)
        out, stderr = process.communicate(timeout=SECONDS_TO_END)
    assert first.startswith("tiny runs every 12 h 00 min, one run at a time, until this is interrupted; its page: http://")
    assert out == "stopped; the schedule of tiny is paused until `perturb schedule` is started again.\n"
    assert (process.returncode, stderr) == (0, "")
