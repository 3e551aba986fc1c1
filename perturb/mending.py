"""Damaged runs: they are set aside and rebuilt, and the new run is compared with the old run's record."""

import logging
import os
import shutil
import time
import uuid
from pathlib import Path

from perturb.locks import exclusive_folder
from perturb.manifests import DamagedRun, read_manifest, run_file

SECONDS_BETWEEN_TRIES = 0.2
"""Polling interval while another process builds or moves a run."""

log = logging.getLogger(__name__)


def set_aside(damage: DamagedRun, *, scratch: Path, folder: Path) -> Path | None:
    """Move a damaged run out of the way, under a lock: others may find the damage or rebuild the run at the same time.

    Args:
        damage: the damage that was found.
        scratch: the run's scratch folder; its lock keeps others from building the run.
        folder: where to keep the damaged run.

    Returns:
        The damaged run's new path; None if it is no longer damaged, or somebody else has moved it.

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
        except FileNotFoundError:  # somebody else has moved it and not rebuilt it yet
            place.parent.rmdir()
            return None
        details = damage.run / damage.file, damage.finding
        log.warning("%s %s: the run is set aside in %s and will be rebuilt.", *details, place)
        return place
    return None


def hold_against(old: Path, new: Path) -> None:
    """Warn if a rebuilt run differs from its record and finished runs were made from the earlier content."""
    try:
        recorded, rebuilt = read_manifest(old)["files"], read_manifest(new)["files"]
    except DamagedRun:
        return  # without both records there is nothing to compare
    differing = sorted(name for name in recorded | rebuilt if recorded.get(name) != rebuilt.get(name))
    readers = [path.parent.name for path in new.parent.glob("*/manifest.json") if new.name in _inputs(path.parent)]
    if differing and readers:
        log.warning(
            "%s: rebuilt, but %s differs from the record, as can happen with another device, stack or version; finished "
            "runs made from the earlier content are kept: %s. Remove them to have them rebuilt.",
            *(new, ", ".join(differing), ", ".join(readers)),
        )


def _inputs(run: Path) -> set[str]:
    try:
        return set(read_manifest(run).get("inputs", {}).values())
    except DamagedRun:
        return set()
