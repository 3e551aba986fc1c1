"""No process that a run starts outlives its supervisor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from perturb.supervisor import below, holds_all, is_gone, kill_all

pytestmark = pytest.mark.skipif(not holds_all(), reason="needs Linux")

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open("daemon.part", "w") as file:
            file.write(str(os.getpid()))
        os.rename("daemon.part", "daemon")
        time.sleep(600)
    os._exit(0)
while not os.path.exists("daemon"):
    time.sleep(0.01)
"""
"""A program that leaves a process behind in a session of its own."""


SUPERVISED = "import sys; from perturb.supervisor import supervise; supervise(int(sys.argv[1])); exec(sys.argv[2])"


def _started(program: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SUPERVISED, str(os.getpid()), program]
    return subprocess.Popen(command, cwd=folder, start_new_session=True)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def _daemon(folder: Path) -> int:
    _until((folder / "daemon").exists)
    return int((folder / "daemon").read_text())


def test_processes_left_behind_by_a_program_end_with_it(tmp_path: Path) -> None:
    process = _started(DAEMON + "sys.exit(7)", tmp_path)
    assert process.wait(60) == 7
    assert is_gone(_daemon(tmp_path))


def test_a_process_that_left_its_group_is_found_and_killed(tmp_path: Path) -> None:
    process = _started(DAEMON + "time.sleep(600)", tmp_path)
    daemon = _daemon(tmp_path)
    _until(lambda: daemon in below(process.pid))
    kill_all(process.pid)
    process.wait()
    assert is_gone(daemon)
    assert below(process.pid) == []


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_the_signal_that_killed_a_program_is_reported(sent: signal.Signals, tmp_path: Path) -> None:
    assert _started(f"import os; os.kill(os.getpid(), {int(sent)})", tmp_path).wait(60) == -sent


def test_a_program_that_keeps_forking_is_killed_with_all_its_processes(tmp_path: Path) -> None:
    forks = "import os, time\nfor _ in range(200):\n    if os.fork() == 0:\n        os.setsid()\n    time.sleep(0.005)\n"
    process = _started(DAEMON.replace("time.sleep(600)", f"exec({forks!r}); time.sleep(600)") + "time.sleep(600)", tmp_path)
    _daemon(tmp_path)
    kill_all(process.pid)
    process.wait()
    assert below(process.pid) == []


def test_everything_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, subprocess, sys\n"
        f"command = [sys.executable, '-c', {SUPERVISED!r}, str(os.getpid()), {DAEMON + 'time.sleep(600)'!r}]\n"
        "subprocess.Popen(command).wait()"
    )
    first = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=os.environ)
    daemon = _daemon(tmp_path)
    first.kill()
    first.wait()
    _until(lambda: is_gone(daemon))


def test_a_process_whose_main_thread_has_ended_is_not_gone_while_other_threads_run() -> None:
    program = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "print('ready', flush=True)\n"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        _until(lambda: b" (python" in (stat := Path(f"/proc/{process.pid}/stat").read_bytes()) and b") Z " in stat)
        assert not is_gone(process.pid)
        process.kill()
        _until(lambda: is_gone(process.pid))
