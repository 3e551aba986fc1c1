"""The supervisor process above a run: every process that the run starts stays below it and ends with it.

Linux reparents orphans to their nearest ancestor that is a subreaper (PR_SET_CHILD_SUBREAPER), so a process that leaves its
group and its session, as daemons do, can still be found, counted and killed from here. That needs no privileges; a cgroup
would hold the same processes, but unless one has been delegated, only root may create it. Processes that others start on
request are out of reach: systemd, a container engine, another machine. On systems other than Linux there is only the process
group.
"""

import ctypes
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
STATE, THREADS = 0, 17
"""Positions of fields in /proc/PID/stat, counted after the name."""
SECONDS_BETWEEN_LOOKS = 0.01
SECONDS_TO_DIE = 10.0


def holds_all() -> bool:
    """Return whether processes that leave their group can be found on this system."""
    return sys.platform == "linux" and Path(f"/proc/self/task/{os.getpid()}/children").exists()


def below(pid: int) -> list[int]:
    """Return the descendants of a process that have not ended."""
    found, waiting = list[int](), [pid]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return [process for process in found if not is_gone(process)]


def kill_below(pid: int) -> None:
    """Kill all descendants of a process; they are stopped first, so that none can start others meanwhile."""
    end = time.monotonic() + SECONDS_TO_DIE
    while (processes := below(pid)) and time.monotonic() < end:
        for sent in (signal.SIGSTOP, signal.SIGKILL):
            for process in processes:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process, sent)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def kill_all(supervisor: int) -> None:
    """Kill a supervisor, its group if it leads one, and all its descendants; it must not have been waited for yet."""
    kill_below(supervisor)
    for end in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            end(supervisor, signal.SIGKILL)


def is_gone(pid: int) -> bool:
    """Return whether a process has ended with all of its threads, which hold its files; it may still be a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return True
    return state[STATE] == b"Z" and int(state[THREADS]) <= 1


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return found


def supervise(parent: int) -> None:
    """Fork: only the child returns from this call; this process stays above it as its supervisor and never returns.

    The supervisor kills what the child leaves behind, then ends as the child has ended, by an exit code or by a signal.

    Args:
        parent: PID of the process that started this one; the supervisor dies with it.

    """
    ask_linux(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _end_all())
    ask_linux(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
    supervisor, child = os.getpid(), os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ask_linux(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(1)
        if sys.platform == "linux":
            os.setsid()  # elsewhere it stays in the group, the only way to find it there
        return
    ended, status = 0, 0
    while ended != child:
        ended, status = os.wait()
    kill_below(supervisor)
    end_as(os.waitstatus_to_exitcode(status))


def _end_all() -> None:
    kill_below(os.getpid())
    os._exit(1)


def end_as(code: int) -> None:
    """End this process as another one has ended: with its exit code or, if that is negative, by its signal."""
    if code >= 0:
        os._exit(code)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)


def ask_linux(option: int, value: int) -> None:
    """Set an option of this process with prctl(2); do nothing on systems other than Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
