"""Finished runs as they are read: the manifest first, and of the files only what it records, byte for byte.

Who reads a file of a run asks for it here. So damage is found before it is used, and nothing is hashed that nobody reads.
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
    """A finished run of which something is not as it was recorded.

    Args:
        run: its folder.
        file: name of the damaged file below the folder.
        finding: what is wrong with it.

    """

    def __init__(self, run: Path, file: str, finding: str) -> None:
        super().__init__(run, file, finding)
        self.run, self.file, self.finding = run, file, finding

    def __str__(self) -> str:
        return (
            f"{self.run / self.file} {self.finding}, so this run is damaged; remove the folder {self.run} and run the same "
            "command again, which makes it again."
        )


def write_manifest(run: Path, content: Mapping[str, Any]) -> None:
    """Write a run's manifest, with a hash of all that it says."""
    # As it will be read: numbers as keys sort otherwise than the text that JSON makes of them (2 < 10, but "10" < "2").
    plain = json.loads(as_json(content))
    write_json(run / MANIFEST, {**plain, SEAL: _seal(plain)})


def read_manifest(run: Path) -> dict[str, Any]:
    """A finished run's manifest.

    Raises:
        DamagedRun: it cannot be read, has changed since it was written, or is another run's.

    """
    try:
        content = json.loads((run / MANIFEST).read_bytes())
    except OSError as error:
        raise DamagedRun(run, MANIFEST, f"cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError):
        raise DamagedRun(run, MANIFEST, "is no JSON any more") from None
    if not isinstance(content, dict):
        raise DamagedRun(run, MANIFEST, "holds no object any more")
    said = content.pop(SEAL, None)
    if said is not None and said != _seal(content):
        raise DamagedRun(run, MANIFEST, "says something else than was written")
    if content.get("id", run.name) != run.name:
        raise DamagedRun(run, MANIFEST, f"is that of {content['id']}")
    return content


def run_file(run: Path, pattern: str) -> Path:
    """The one file of a finished run that a pattern fits, with the bytes that were recorded.

    Args:
        run: its folder.
        pattern: the file's name below the folder, or for example `*.h5`; also that of the manifest.

    Raises:
        DamagedRun: the file is missing or has other bytes, or the manifest lists none or several.

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
    """Names of all files of a finished run below its folder, each with the bytes that were recorded.

    Raises:
        DamagedRun: one is missing or has other bytes.

    """
    listed = read_manifest(run).get("files", {})
    for name, recorded in listed.items():
        _prove(run, name, recorded)
    return sorted(listed)


def _prove(run: Path, name: str, recorded: Mapping[str, Any]) -> None:
    if finding := damage_of(run / name, size=recorded["bytes"], sha256=recorded["sha256"]):
        raise DamagedRun(run, name, finding)


def _seal(content: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest's content, whatever the layout of its text."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_config(run: Path, kind: type[ConfigT]) -> ConfigT:
    """The config in a finished run's manifest. As JSON: in Python, strict validation would refuse a path that is text."""
    return kind.model_validate_json(json.dumps(read_manifest(run)["config"]))


def read_result(run: Path, kind: type[ResultT]) -> ResultT:
    """The result in a finished run's manifest.

    Args:
        run: its folder.
        kind: the class that its stage returns; a manifest may have more fields.

    """
    return _adapter(kind).validate_json(json.dumps(read_manifest(run)["result"]))


@cache
def _adapter(kind: type[ResultT]) -> TypeAdapter[ResultT]:
    return TypeAdapter(kind)
