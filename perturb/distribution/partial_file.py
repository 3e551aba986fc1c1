"""The `.part` file of a download: it grows under a lock, survives a kill, and is renamed when it is complete.

Next to NAME.part is NAME.part.json, which identifies the file that it is a part of. These two are all that a killed download
leaves, and the next one resumes from them. Bytes are written as they arrive, so a kill loses none that were reported.
"""

import errno
import json
import os
import shutil
from pathlib import Path
from types import TracebackType

from perturb.errors import UserError
from perturb.files import flush_to_disk, sha256_of
from perturb.locks import open_locked

FULL = (errno.ENOSPC, errno.EDQUOT)


class Part:
    """The part of a file that has arrived so far. Entering it keeps an existing part only if it is of the same file.

    Args:
        target: path of the whole file.
        sha256: SHA-256 of the whole file.
        size: size of the whole file in bytes.

    Raises:
        UserError: on entering, if another process is downloading the file.
        OSError: on entering, if the folder cannot be written to.

    """

    def __init__(self, target: Path, *, sha256: str, size: int) -> None:
        self.target, self.sha256, self.whole_size = target, sha256, size
        self.path = target.with_name(f"{target.name}.part")
        self.validator: str | None = None
        """ETag or date of the file that the bytes came from, as sent by the server."""
        self._state = target.with_name(f"{target.name}.part.json")
        self._is_ours = True
        """True while the two names belong to this part; after `finish` and `discard` others may take them."""

    def __enter__(self) -> "Part":
        self._descriptor = _opened_alone(self.path)
        state = self._read_state()
        if state.get("sha256") == self.sha256 and self.missing >= 0:
            self.validator = state.get("validator")
        elif self.missing != 0:
            os.ftruncate(self._descriptor, 0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if self.size == 0:
                self.discard()
        finally:
            os.close(self._descriptor)

    @property
    def size(self) -> int:
        """Number of bytes so far."""
        return os.fstat(self._descriptor).st_size

    @property
    def missing(self) -> int:
        """Number of bytes that are missing."""
        return self.whole_size - self.size

    @property
    def what_stays(self) -> str:
        """The end of a sentence about a download that has to stop; empty if there is nothing to keep."""
        return f"what has arrived stays in {self.path}, and the same command resumes from there" if self.size else ""

    def restart(self, validator: str | None) -> None:
        """Discard the bytes so far; those to come are of the file that `validator` identifies."""
        os.ftruncate(self._descriptor, 0)
        self.validator = validator
        self._state.unlink(missing_ok=True)
        self._state.write_text(json.dumps({"sha256": self.sha256, "validator": validator}), encoding="utf-8")

    def append(self, data: bytes) -> None:
        """Add the next bytes.

        Raises:
            UserError: there are more bytes than the whole file has, or the disk is full.

        """
        if len(data) > self.missing:
            self.discard()
            raise UserError(
                f"{self.target}: received more than the {self.whole_size:,} bytes of this file; nothing was kept."
            )
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            if error.errno in FULL:
                raise self._no_room() from None
            raise

    def require_free_space(self) -> None:
        """Raise a UserError unless the disk has room for what is missing."""
        if shutil.disk_usage(self.target.parent).free < self.missing:
            raise self._no_room()

    def is_right(self) -> bool:
        """Return whether the part is complete and its SHA-256 is right."""
        return self.missing == 0 and sha256_of(self.path) == self.sha256

    def finish(self) -> None:
        """Rename the part to the file. The state is removed first: a complete part is recognised without it."""
        os.fsync(self._descriptor)
        self._state.unlink(missing_ok=True)
        os.replace(self.path, self.target)
        self._is_ours = False
        flush_to_disk(self.target.parent)

    def discard(self) -> None:
        """Remove the part and its state."""
        if self._is_ours:
            self._state.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            self._is_ours = False

    def _read_state(self) -> dict[str, str | None]:
        try:
            state = json.loads(self._state.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        known = isinstance(state, dict) and isinstance(state.get("validator"), str | None)
        return state if known else {}

    def _no_room(self) -> UserError:
        free = shutil.disk_usage(self.target.parent).free
        return UserError(
            f"{self.target}: needs {self.missing:,} more bytes, and its disk has {free:,} free; make room, or choose "
            f"another folder with --to{self.what_stays and '; '}{self.what_stays}."
        )


def _opened_alone(path: Path) -> int:
    """Return a descriptor of the file, locked exclusively; the system releases the lock however the process ends."""
    descriptor = open_locked(path, os.O_APPEND | os.O_NOFOLLOW)
    if descriptor is None:
        raise UserError(f"{path}: another process is downloading this file; wait for it, or end it.")
    return descriptor
