"""The folder where benchmark files are kept between evaluations."""

import os
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
