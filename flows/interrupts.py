"""End a flow soon after Ctrl-C or SIGTERM, with one sentence.

Prefect reports the end of a flow to its server and sends the remaining logs, which takes half a minute if no server answers.
By then everything that matters is in the run directories, so nothing is lost by not waiting.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import util
from types import FrameType
from typing import NoReturn

from perturb.errors import INTERRUPTED

SECONDS_TO_END = 4.0
SIGNALS = signal.SIGINT, signal.SIGTERM


@contextmanager
def ends_soon() -> Iterator[None]:
    """Exit the process on a signal inside the block: once the block has ended, after four seconds, or at a second signal.

    The signals are SIGINT, which is Ctrl-C, and SIGTERM, with which a cluster ends a job.

    Worker processes and a temporary server die with this process. Outside the main thread, where no signals arrive, nothing
    changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        for other in SIGNALS:
            signal.signal(other, lambda number, frame: _leave())
        timer = threading.Timer(SECONDS_TO_END, _leave)
        timer.daemon = True
        timer.start()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        _leave()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave() -> NoReturn:
    """Print the sentence and exit without waiting for Prefect's threads."""
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h")  # show the cursor, which a progress bar hides
    sys.stderr.write(INTERRUPTED + "\n")
    sys.stderr.flush()
    util._run_finalizers(0)  # pyright: ignore[reportAttributeAccessIssue]  # else pools' semaphores are reported as leaked
    os._exit(130)
