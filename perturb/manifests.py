"""Read finished runs: first the manifest, then only files that it records, each verified byte for byte.

All readers get a run's files through this module. Damage is therefore found before it is used, and only files that are read
are hashed.
"""

import hashlib
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from perturb.config.section import Section
from perturb.errors import UserError
from perturb.files import as_json, write_json
from perturb.proofs import damage_of

MANIFEST = "manifest.json"
ConfigT = TypeVar("ConfigT", bound=Section)
ResultT = TypeVar("ResultT")
SEAL = "sha256"
"""Key of the manifest's own hash; manifests of perturb 0.1 have none."""


class DamagedRun(UserError):
    """Raised for a finished run that does not match its record.

    Args:
        run: the run's folder.
        file: path of the damaged file, relative to the folder.
        finding: what is wrong with the file.

    """

    def __init__(self, run: Path, file: str, finding: str) -> None:
        super().__init__(run, file, finding)
        self.run, self.file, self.finding = run, file, finding

    def __str__(self) -> str:
        return (
            f"{self.run / self.file} {self.finding}, so this run is damaged; remove the folder {self.run} and run the same "
            "command again to rebuild it."
        )


def write_manifest(run: Path, content: Mapping[str, Any]) -> None:
    """Write a run's manifest, with a hash of its content."""
    # Hash the content as it will be read back: JSON turns numeric keys into text, which sorts differently ("10" < "2").
    plain = json.loads(as_json(content))
    write_json(run / MANIFEST, {**plain, SEAL: _seal(plain)})


def read_manifest(run: Path) -> dict[str, Any]:
    """Return a finished run's manifest.

    Raises:
        DamagedRun: it cannot be read, has changed since it was written, or belongs to another run.

    """
    try:
        content = json.loads((run / MANIFEST).read_bytes())
    except OSError as error:
        raise DamagedRun(run, MANIFEST, f"cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError):
        raise DamagedRun(run, MANIFEST, "is no longer valid JSON") from None
    if not isinstance(content, dict):
        raise DamagedRun(run, MANIFEST, "is no longer a JSON object")
    recorded = content.pop(SEAL, None)
    if recorded is not None and recorded != _seal(content):
        raise DamagedRun(run, MANIFEST, "has changed since it was written")
    if content.get("id", run.name) != run.name:
        raise DamagedRun(run, MANIFEST, f"belongs to {content['id']}")
    return content


def run_file(run: Path, pattern: str) -> Path:
    """Return the path of the one file of a finished run that matches a pattern, verified against the record.

    Args:
        run: the run's folder.
        pattern: the file's path relative to the folder, or a glob such as `*.h5`; the manifest's name is allowed too.

    Raises:
        DamagedRun: the file is missing or its bytes have changed, or the manifest lists no match or several.

    """
    listed = read_manifest(run).get("files", {})
    if pattern == MANIFEST:
        return run / MANIFEST
    names = [name for name in listed if fnmatchcase(name, pattern)]
    if len(names) != 1:
        raise DamagedRun(run, MANIFEST, f"must list one file {pattern}, and lists {', '.join(names) or 'none'}")
    (name,) = names
    _prove(run, name, listed[name])
    return run / name


def run_files(run: Path) -> list[str]:
    """Return the names of all files of a finished run, relative to its folder, each verified against the record.

    Raises:
        DamagedRun: a file is missing or its bytes have changed.

    """
    listed = read_manifest(run).get("files", {})
    for name, recorded in listed.items():
        _prove(run, name, recorded)
    return sorted(listed)


def _prove(run: Path, name: str, recorded: Mapping[str, Any]) -> None:
    if finding := damage_of(run / name, size=recorded["bytes"], sha256=recorded["sha256"]):
        raise DamagedRun(run, name, finding)


def _seal(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest's content, independent of the text's layout."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_config(run: Path, kind: type[ConfigT]) -> ConfigT:
    """Return the config in a finished run's manifest.

    It is validated as JSON, because strict validation of Python values would refuse a path given as a string.
    """
    return kind.model_validate_json(json.dumps(read_manifest(run)["config"]))


def read_result(run: Path, kind: type[ResultT]) -> ResultT:
    """Return the result in a finished run's manifest.

    Args:
        run: the run's folder.
        kind: the class that the run's stage returns; the manifest may have further fields.

    """
    return _adapter(kind).validate_json(json.dumps(read_manifest(run)["result"]))


@cache
def _adapter(kind: type[ResultT]) -> TypeAdapter[ResultT]:
    return TypeAdapter(kind)
