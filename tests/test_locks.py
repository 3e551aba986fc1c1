"""File locks exclude others and are released when their holder is killed. If locks are unavailable, a warning says so."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from perturb.errors import UserError
from perturb.locks import locked

HOLD = """
import sys, time
from pathlib import Path
from perturb.locks import locked
with locked(Path(sys.argv[1])):
    print(1, flush=True)
    time.sleep(60)
"""


def test_a_held_lock_makes_others_wait_or_fail_at_once(tmp_path: Path) -> None:
    path, order = tmp_path / "folder" / "lock", []

    def wait() -> None:
        with locked(path):
            order.append("second")

    with locked(path, otherwise="never seen"):
        with pytest.raises(UserError, match=r"^it is taken\.$"), locked(path, otherwise="it is taken."):
            pass
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.2)
        order.append("first")
    waiting.join(timeout=10)
    assert order == ["first", "second"]


def test_the_lock_of_a_killed_process_is_released(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "lock"], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"1\n"
    with pytest.raises(UserError, match=r"taken"), locked(tmp_path / "lock", otherwise="taken"):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with locked(tmp_path / "lock", otherwise="taken"):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_file_locks_the_work_continues_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    def refused(descriptor: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refused)
    with locked(tmp_path / "lock", otherwise="taken"), locked(tmp_path / "lock", otherwise="taken"):
        pass
    expected = (
        f"{tmp_path} cannot be locked ({os.strerror(code)}): nothing else may write to that folder before this has ended."
    )
    assert caplog.messages == [expected, expected]


def test_a_lock_refuses_callers_that_will_not_wait_and_is_released_afterwards(tmp_path: Path) -> None:
    with locked(tmp_path / "a"), pytest.raises(UserError, match=r"^busy$"), locked(tmp_path / "a", otherwise="busy"):
        pass
    with locked(tmp_path / "a", otherwise="busy"):
        pass
