"""A process that has imported all that runs need, and forks a process for each: importing torch alone takes two seconds.

It runs no code of a user's, so all runs begin in the same state. What is forked for a run becomes its supervisor
(perturb/supervisor.py) and forks once more, into the process that does the job.
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
"""The exceptions by which a connection tells that nobody is at its other end."""


class ForkServer:
    """Starts the processes of runs; it is started with the first, and ends with the block."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._exit_codes: dict[int, int | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the server; runs that are under way end with it."""
        self._close()

    def start(self, job: worker.Job) -> int:
        """Start the process of a job; the number of its supervisor, which leads a group and a session of its own.

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
        """The code with which a supervisor has ended, −n for signal n, or None while it is there."""
        self._look()
        return self._exit_codes.get(pid)

    def _look(self) -> None:
        """Note what has ended; if the server is no longer there, its runs have been killed, and another starts the next."""
        if self._process is not None:
            with suppress(*GONE):
                while self._connection.poll():
                    self._received()
            if self._process.poll() is not None:
                self._exit_codes = {pid: KILLED if code is None else code for pid, code in self._exit_codes.items()}
                self._close()

    def _received(self) -> tuple[int, int | None]:
        """Wait for word of a supervisor, its number and exit code or, of one that has just been forked, None; note it."""
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
        said = excerpt_of(self._output.read().decode(errors="replace")).strip().splitlines()
        return one_line(said[-1]) if said else "it ended without a word"

    def _close(self) -> None:
        """End the server, if there is one."""
        if self._process is not None:
            self._connection.close()
            self._process.wait()
            self._output.close()
            self._process = None


def main() -> None:
    """Serve the process that is named by the first argument, over the connection of the second."""
    connection, parent = Connection(int(sys.argv.pop())), int(sys.argv.pop())
    die_with_parent()
    if os.getppid() != parent:
        # It died before it could have been told that this one dies with it.
        return
    if (job := _serve(connection)) is not None:
        worker.do(pickle.loads(job))


def _serve(connection: Connection) -> bytes | None:
    """Fork for every job that comes, and tell how each has ended; returns the job in the process that is to do it.

    In the server itself, it returns None when nobody is there any more to send jobs.
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
    """A child that has ended, with its status; None where there is none."""
    with suppress(ChildProcessError):
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            return pid, status
    return None
