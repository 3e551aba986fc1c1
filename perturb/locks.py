"""Locks that the system takes back when their holder dies, of kill -9 too: on the folder of a run, or on a file."""

import errno
import fcntl
import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perturb.errors import UserError

LOCK = "lock"
NO_LOCK_ERRORS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)
"""The error codes of a file system that cannot lock, for example Lustre mounted without `flock`."""

SECONDS_BETWEEN_TRIES = 0.05

log = logging.getLogger(__name__)


@contextmanager
def exclusive_folder(folder: Path) -> Iterator[Path | None]:
    """Work in a folder alone: yields where to work, or None while another process or thread does.

    The folder is made where it is missing; whoever has finished removes it, before letting go. On a file system without
    locks everybody gets a folder of their own, which is removed in the end: work may then be done twice, and what was
    killed begins anew, but nobody ever writes to another's files.
    """
    try:
        descriptor = open_locked(folder / LOCK)
    except OSError as error:
        if error.errno not in NO_LOCK_ERRORS:
            raise
        log.warning("%s cannot be locked (%s): work may be done twice there.", folder.parent, error.strerror)
        own = folder.with_name(f"{folder.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.own")
        own.mkdir(parents=True)
        try:
            yield own
        finally:
            shutil.rmtree(own, ignore_errors=True)
        return
    try:
        yield None if descriptor is None else folder
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Return whether somebody works in a folder at this moment."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def open_locked(path: Path, flags: int = 0) -> int | None:
    """Open a file, made where it is missing, under a lock that ends with the descriptor or the process; None if it is taken.

    The file may be renamed or removed by whoever has the lock: a lock on a file that has lost its name keeps nobody out, so
    another is opened then.

    Args:
        path: of the file; its folder is made where it is missing.
        flags: of `os.open`, beside reading, writing and creating.

    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o666)
        except FileNotFoundError:
            continue  # the folder was removed between the two lines by whoever has just finished
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether the open file still has that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def can_lock(folder: Path) -> bool:
    """Return whether the file system of an existing folder has locks; OSError where nothing can be written."""
    probe = folder / f".{uuid.uuid4().hex}.probe"
    try:
        with exclusive_folder(probe) as own:
            return own == probe
    finally:
        shutil.rmtree(probe, ignore_errors=True)


@contextmanager
def locked(path: Path, *, otherwise: str | None = None) -> Iterator[None]:
    """Keep others out who lock the same file; the system lifts the lock when the process ends, however.

    On a file system without locks nobody is kept out, and a warning says so.

    Args:
        path: of a file that nobody ever removes.
        otherwise: what to say if someone else has the lock; None: wait.

    Raises:
        UserError: someone else has the lock, and `otherwise` is given.

    """
    descriptor = _locked_or_warned(path, otherwise)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked_or_warned(path: Path, otherwise: str | None) -> int | None:
    """The descriptor of the locked file; None where the file system has no locks."""
    try:
        while (descriptor := open_locked(path)) is None:
            if otherwise is not None:
                raise UserError(otherwise)
            time.sleep(SECONDS_BETWEEN_TRIES)
    except OSError as error:
        if error.errno not in NO_LOCK_ERRORS:
            raise
        risk = "nothing else may write to that folder before this has ended"
        log.warning("%s cannot be locked (%s): %s.", path.parent, error.strerror, risk)
        return None
    return descriptor
