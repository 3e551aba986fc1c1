"""The folder where benchmark files are kept between evaluations."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perturb.errors import UserError

VARIABLE = "PERTURB_CACHE"


def cache_folder(given: Path | None = None) -> Path:
    """The folder that is asked for, else that of PERTURB_CACHE, else `perturb` below XDG_CACHE_HOME or ~/.cache.

    Raises:
        UserError: it is a file, or cannot be made.

    """
    named = given or os.environ.get(VARIABLE)
    beside = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(named).expanduser() if named else Path(beside) / "perturb"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be the folder for benchmark files ({error.strerror}); name another in {VARIABLE}."
        ) from None
    return folder.resolve()


@contextmanager
def locked(path: Path, *, otherwise: str | None = None) -> Iterator[None]:
    """Keep others out who lock the same file; the system lifts the lock when the process ends, however.

    Args:
        path: of a file that nobody ever removes.
        otherwise: what to say if someone else has the lock; None: wait.

    Raises:
        UserError: someone else has the lock, and `otherwise` is given.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if otherwise else 0))
        except BlockingIOError:
            raise UserError(otherwise) from None
        yield
