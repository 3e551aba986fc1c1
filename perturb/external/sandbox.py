"""Processes with limits on time, memory and output, which include all processes that they start (perturb/supervisor.py).

Memory is what a run and the processes that it starts have written to. Mapped files, such as the images, do not count, and
neither do untouched addresses, of which torch reserves many, so a limit on the address space would not work. Instead, the
resident memory is polled every few hundredths of a second, and a run above its limit is killed. It is read from /proc,
because psutil only reports sums that include mapped files.
"""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from perturb.errors import UserError
from perturb.external.fork_server import ForkServer
from perturb.external.output import LARGEST_OUTPUT, excerpt_of_file, size_of
from perturb.external.worker import OUTPUT, Job
from perturb.names import one_line
from perturb.supervisor import below, kill_all

SECONDS_BETWEEN_LOOKS = 0.05
LAST_LINES = 3
GIB = 1 << 30


class Child:
    """A process that does a job.

    Args:
        server: starts the process.
        job: the job.
        seconds: time limit, from when the server has forked the process; None: no limit.
        gibibytes: memory limit in GiB; None: no limit.

    """

    def __init__(self, server: ForkServer, job: Job, *, seconds: float | None, gibibytes: float | None) -> None:
        self.job, self.ended_because = job, ""
        self._server, self._seconds, self._gibibytes = server, seconds, gibibytes
        job.workdir.mkdir(parents=True, exist_ok=True)
        (job.workdir / OUTPUT).touch()
        self._supervisor = server.start(job)
        self.began = time.monotonic()

    def has_ended(self) -> bool:
        """Return whether the process has ended; kill it if it exceeds a limit, with the reason in `ended_because`."""
        if self._server.exit_code(self._supervisor) is not None:
            return True
        if reason := self._above_limit(self.seconds):
            self.kill()
            self.ended_because = reason
            return True
        return False

    def kill(self) -> None:
        """Kill the process and all processes that it has started."""
        if self._server.exit_code(self._supervisor) is None:
            kill_all(self._supervisor)

    @property
    def seconds(self) -> float:
        """Seconds since the process was started."""
        return time.monotonic() - self.began

    @property
    def why_without_result(self) -> str:
        """The reason why the process ended without a result, with the last lines that it printed."""
        if self.ended_because:
            return self.ended_because
        code = self._server.exit_code(self._supervisor) or 0
        if code == -signal.SIGKILL:
            how = "was killed by the system, as happens when memory runs out"
        elif code < 0:
            how = f"died of {signal.Signals(-code).name}"
        else:
            how = f"ended by itself with exit code {code}"
        lines = excerpt_of_file(self.job.workdir / OUTPUT).strip().splitlines()
        last = f"; its last words: {' / '.join(lines[-LAST_LINES:])}" if lines else ""
        return one_line(f"the process {how}{last}")

    def _above_limit(self, taken: float) -> str:
        if self._seconds is not None and taken > self._seconds:
            return f"it took longer than the time limit of {self._seconds:g} s"
        if size_of(self.job.workdir / OUTPUT) > LARGEST_OUTPUT:
            return f"it printed more than {LARGEST_OUTPUT / GIB:g} GiB"
        if self._gibibytes is None or memory_of(self._supervisor, written) <= self._gibibytes * GIB:
            return ""
        # Memory that forked processes share was counted once for each of them; the exact figure takes longer to read.
        used = memory_of(self._supervisor, written_or_shared)
        if used <= self._gibibytes * GIB:
            return ""
        return f"it used {used / GIB:.2f} GiB, and the memory limit is {self._gibibytes:g} GiB"


def check_limits(seconds: float | None, gibibytes: float | None) -> None:
    """Raise a UserError for limits that cannot be enforced."""
    if seconds is not None and seconds <= 0:
        raise UserError(f"the time limit must be above 0 seconds, got {seconds:g}.")
    if gibibytes is not None and gibibytes <= 0:
        raise UserError(f"the memory limit must be above 0 GiB, got {gibibytes:g}.")
    if gibibytes is not None and sys.platform != "linux":
        raise UserError("a memory limit can be enforced on Linux only; leave it out.")


def memory_of(pid: int, measure: Callable[[int], int]) -> int:
    """Return the total bytes of a process and all its descendants, where `measure` returns the bytes of one process."""
    return sum(measure(process) for process in (pid, *below(pid)))


def written(pid: int) -> int:
    """Return the bytes that a process has written to, including those that it shares."""
    return _sum_of(Path(f"/proc/{pid}/status"), ("RssAnon:", "RssShmem:"))


def written_or_shared(pid: int) -> int:
    """Return the bytes that a process has written to; memory shared by several processes is divided among them."""
    return _sum_of(Path(f"/proc/{pid}/smaps_rollup"), ("Pss_Anon:", "Pss_Shmem:"))


def _sum_of(path: Path, fields: tuple[str, ...]) -> int:
    """Return the sum of fields given in kB, in bytes; 0 if the process has just ended."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(fields))
