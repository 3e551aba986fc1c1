"""Locks on a run's folder or on a file. The system releases them when the holder dies, even by kill -9."""

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
    """Take exclusive use of a folder: yield the folder to work in, or None while another process or thread holds it.

    The folder is created if missing. Whoever finishes the work removes the folder before releasing it. On a file system
    without locks, every caller gets a folder of its own, which is removed at the end. Work may then be done twice, and
    killed work starts over, but nobody ever writes to another caller's files.
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
    """Return whether somebody is working in a folder right now."""
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
    """Open a file under a lock that ends with the descriptor or the process; return None if the lock is taken.

    The holder of the lock may rename or remove the file. A lock on a file that has lost its name keeps nobody out, so the
    path is opened again in that case.

    Args:
        path: path of the file; the file and its folder are created if missing.
        flags: further flags of `os.open`, besides those for reading, writing and creating.

    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o666)
        except FileNotFoundError:
            continue  # whoever has just finished removed the folder between the two lines
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
    """Return whether an existing folder's file system has locks; raise OSError if nothing can be written there."""
    probe = folder / f".{uuid.uuid4().hex}.probe"
    try:
        with exclusive_folder(probe) as own:
            return own == probe
    finally:
        shutil.rmtree(probe, ignore_errors=True)


@contextmanager
def locked(path: Path, *, otherwise: str | None = None) -> Iterator[None]:
    """Hold a lock on a file; the system releases it however the process ends.

    On a file system without locks nobody is kept out, and a warning says so.

    Args:
        path: path of a file that nobody ever removes.
        otherwise: error message if somebody else holds the lock; None: wait for it.

    Raises:
        UserError: somebody else holds the lock, and `otherwise` is given.

    """
    descriptor = _locked_or_warned(path, otherwise)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked_or_warned(path: Path, otherwise: str | None) -> int | None:
    """Return the descriptor of the locked file; warn and return None if the file system has no locks."""
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
