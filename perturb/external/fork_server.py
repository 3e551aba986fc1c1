"""A process that has imported everything that runs need, and forks one process per run.

Forking saves imports: torch alone takes two seconds. The server runs no user code, so all runs begin in the same state. The
process forked for a run becomes its supervisor (perturb/supervisor.py) and forks once more, into the process that does the
job.
"""

import os
import pickle
import subprocess
import sys
import tempfile
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import IO, Self

from perturb.errors import UserError
from perturb.external import worker
from perturb.external.output import excerpt_of
from perturb.machine import die_with_parent
from perturb.names import one_line
from perturb.supervisor import supervise

COMMAND = [sys.executable, "-u", "-P", "-c", "from perturb.external.fork_server import main; main()"]
SECONDS_BETWEEN_LOOKS = 0.02
KILLED = -9
GONE = EOFError, BrokenPipeError, ConnectionResetError
"""The exceptions that a connection raises when its other end is gone."""


class ForkServer:
    """Starts the processes of runs. The server itself starts with the first run and ends with the block."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._exit_codes: dict[int, int | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the server; unfinished runs end with it."""
        self._close()

    def start(self, job: worker.Job) -> int:
        """Start the process of a job; return the PID of its supervisor, which leads its own process group and session.

        Raises:
            UserError: no process can be started.

        """
        self._look()
        if self._process is None:
            self._launch()
        try:
            self._connection.send_bytes(pickle.dumps(job))
            while True:
                pid, code = self._received()
                if code is None:
                    return pid
        except GONE:
            raise UserError(f"no process can be started for runs: {self._last_words()}.") from None

    def exit_code(self, pid: int) -> int | None:
        """Return the exit code of a supervisor, −n for signal n, or None while it is running."""
        self._look()
        return self._exit_codes.get(pid)

    def _look(self) -> None:
        """Record which runs have ended; if the server is gone, its runs were killed, and the next run starts another."""
        if self._process is not None:
            with suppress(*GONE):
                while self._connection.poll():
                    self._received()
            if self._process.poll() is not None:
                self._exit_codes = {pid: KILLED if code is None else code for pid, code in self._exit_codes.items()}
                self._close()

    def _received(self) -> tuple[int, int | None]:
        """Wait for a message about a supervisor and record it: its PID and exit code, or None if it was just forked."""
        pid, code = self._connection.recv()
        self._exit_codes[pid] = code
        return pid, code

    def _launch(self) -> None:
        self._connection, others = Pipe()
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (the process writes to it as long as it lives)
        command = [*COMMAND, str(os.getpid()), str(others.fileno())]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output, pass_fds=[others.fileno()]
        )
        others.close()

    def _last_words(self) -> str:
        self._output.seek(0)
        lines = excerpt_of(self._output.read().decode(errors="replace")).strip().splitlines()
        return one_line(lines[-1]) if lines else "it ended without a message"

    def _close(self) -> None:
        """End the server, if it is running."""
        if self._process is not None:
            self._connection.close()
            self._process.wait()
            self._output.close()
            self._process = None


def main() -> None:
    """Serve the parent process: the first argument is its PID, the second the file descriptor of the connection."""
    connection, parent = Connection(int(sys.argv.pop())), int(sys.argv.pop())
    die_with_parent()
    if os.getppid() != parent:
        # The parent died before this process could ask to die with it.
        return
    if (job := _serve(connection)) is not None:
        worker.do(pickle.loads(job))


def _serve(connection: Connection) -> bytes | None:
    """Fork for every job that arrives, and report how each has ended.

    Returns the job in the process that is to do it. In the server itself, returns None once the other end is gone.
    """
    server = os.getpid()
    while True:
        try:
            for ended, status in iter(_ended, None):
                connection.send((ended, os.waitstatus_to_exitcode(status)))
            if not connection.poll(SECONDS_BETWEEN_LOOKS):
                continue
            job = connection.recv_bytes()
        except GONE:
            return None
        if (pid := os.fork()) == 0:
            connection.close()
            os.setsid()
            supervise(server)
            return job
        connection.send((pid, None))


def _ended() -> tuple[int, int] | None:
    """Return the PID and status of a child that has ended, or None."""
    with suppress(ChildProcessError):
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            return pid, status
    return None
