"""Resumable downloads that end with a complete, verified file or with none.

pooch, the usual library for this, cannot resume, and leaves a temporary file with a random name when it is killed.
"""

import time
from collections.abc import Callable
from pathlib import Path

from perturb.distribution.http import Dropped, ask
from perturb.distribution.partial_file import Part
from perturb.errors import UserError
from perturb.files import made_folder, sha256_of

Report = Callable[[int, int], None]
ATTEMPTS = 5
"""A download gives up after this many lost connections in a row without PROGRESS in between."""
PROGRESS = 1 << 20
"""Bytes that count as progress, which resets the number of losses."""
PAUSE = 0.5
"""Seconds before retrying after the first lost connection; doubles after each further one."""


def fetch(address: str, target: Path, *, sha256: str, size: int, report: Report = lambda done, total: None) -> bool:
    """Download a file, unless it exists.

    Args:
        address: http://, https://, file:// or a path.
        target: path of the finished file; until then there are only `<target>.part` and `<target>.part.json`.
        sha256: SHA-256 of the file in hexadecimal.
        size: size of the file in bytes; more bytes are never written.
        report: called with (bytes so far, total bytes).

    Returns:
        Whether the file was downloaded.

    Raises:
        UserError: the server does not answer or sends another file, another file exists at the target, the disk is full, or
            another process is downloading it.

    """
    try:
        with made_folder(target.parent):
            if _is_there(target, sha256, size):
                return False
            with Part(target, sha256=sha256, size=size) as part:
                # Another process may have finished between these two lines.
                if _is_there(target, sha256, size):
                    part.discard()
                    return False
                _bring(part, address, report)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror or error}); choose another folder.") from None
    return True


def _is_there(target: Path, sha256: str, size: int) -> bool:
    if not target.exists():
        return False
    if not target.is_file() or target.stat().st_size != size or sha256_of(target) != sha256:
        raise UserError(f"{target}: already exists and is not the published file; move it away.")
    return True


def _bring(part: Part, address: str, report: Report) -> None:
    """Complete, check and rename a file; if it was resumed from a damaged part, download it once more from the start."""
    for _ in range(2 if part.size else 1):
        _fill(part, address, report)
        if part.is_right():
            part.finish()
            return
        part.restart(None)
    part.discard()
    raise UserError(f"{address}: its sha256 must be {part.sha256}, but is not; nothing was kept, try another source.")


def _fill(part: Part, address: str, report: Report) -> None:
    """Download the missing bytes, retrying after lost connections as long as there is progress."""
    part.require_free_space()
    report(part.size, part.whole_size)
    furthest, losses = part.size, 0
    while part.missing:
        try:
            _append_answer(part, address, report)
        except Dropped:
            gained = part.size - furthest
            losses = 1 if gained >= PROGRESS else losses + 1
            if gained <= 0 or losses >= ATTEMPTS:
                lost = f"{address}: the connection was lost after {part.size:,} of {part.whole_size:,} bytes"
                raise UserError(f"{lost}; {part.what_stays or 'try again'}.") from None
            furthest = part.size
            time.sleep(PAUSE * 2 ** (losses - 1))


def _append_answer(part: Part, address: str, report: Report) -> None:
    with ask(address, offset=part.size, size=part.whole_size, validator=part.validator) as answer:
        if answer.start != part.size or not part.size:
            part.restart(answer.validator)
        for chunk in answer.chunks:
            part.append(chunk)
            report(part.size, part.whole_size)
    if part.missing:
        raise Dropped
