"""Damaged runs: they are set aside and made again, and the new run is compared with the record of the old one."""

import logging
import os
import shutil
import time
import uuid
from pathlib import Path

from perturb.locks import exclusive_folder
from perturb.manifests import DamagedRun, read_manifest, run_file

SECONDS_BETWEEN_TRIES = 0.2
"""Pause between looks while another process builds or moves a run."""

log = logging.getLogger(__name__)


def set_aside(damage: DamagedRun, *, scratch: Path, folder: Path) -> Path | None:
    """Move a damaged run out of the way, alone: somebody else may find the damage, or make the run again, at the same time.

    Args:
        damage: what was found.
        scratch: the run's scratch folder, whose lock keeps others from building it.
        folder: where to keep the damaged run.

    Returns:
        Where the damaged run is now; None if it is not damaged any more.

    """
    while True:
        with exclusive_folder(scratch) as own:
            if own is not None:
                try:
                    return _moved(damage, folder)
                finally:
                    shutil.rmtree(own, ignore_errors=True)
        time.sleep(SECONDS_BETWEEN_TRIES)


def _moved(damage: DamagedRun, folder: Path) -> Path | None:
    place = folder / uuid.uuid4().hex[:8] / damage.run.name
    try:
        run_file(damage.run, damage.file)
    except DamagedRun:
        place.parent.mkdir(parents=True)
        try:
            os.rename(damage.run, place)
        except FileNotFoundError:  # somebody else has moved it, and not made it again yet
            place.parent.rmdir()
            return None
        found = damage.run / damage.file, damage.finding
        log.warning("%s %s: the run is set aside in %s, to be made again.", *found, place)
        return place
    return None


def hold_against(old: Path, new: Path) -> None:
    """Warn if a run that was made again differs from its record, and finished runs were made from the earlier content."""
    try:
        recorded, found = read_manifest(old)["files"], read_manifest(new)["files"]
    except DamagedRun:
        return  # nobody knows what the damaged run was
    differing = sorted(name for name in recorded | found if recorded.get(name) != found.get(name))
    readers = [path.parent.name for path in new.parent.glob("*/manifest.json") if new.name in _inputs(path.parent)]
    if differing and readers:
        log.warning(
            "%s: made again, %s came out otherwise than recorded, as it may with another device, stack or version; finished "
            "runs that were made of the earlier content are kept: %s. Remove them to have them made again.",
            *(new, ", ".join(differing), ", ".join(readers)),
        )


def _inputs(run: Path) -> set[str]:
    try:
        return set(read_manifest(run).get("inputs", {}).values())
    except DamagedRun:
        return set()
