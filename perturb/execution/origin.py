"""The fingerprint of the code that planned a unit of work, and the folder that its runs belong to.

A worker with different code, or without access to that folder, would build something else or in the wrong place. It refuses.
"""

import functools
import hashlib
import shutil
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import perturb
from perturb.errors import UserError
from perturb.locks import exclusive_folder


class WorkerMismatch(UserError):
    """A worker must not do the work, because its code or its folder differs. Other units would fail on it as well."""


class Origin(TypedDict):
    """The origin of a unit of work, in plain text, so that a worker of any version can read it."""

    version: str
    source: str
    """SHA-256 of the package's files."""
    stages: dict[str, int]
    """Stage versions by kind of run."""
    mark: str
    """A folder that exists while the flow runs."""
    artifacts: str
    """The artifacts folder of the flow."""


@contextmanager
def origin_at(artifacts: Path) -> Iterator[Origin]:
    """Yield the origin of this process's work. Its mark in the artifacts folder exists until the block ends."""
    own = artifacts / "scratch" / f"flow-{uuid.uuid4().hex}"
    with exclusive_folder(own) as mark:
        try:
            yield Origin(**_code(), mark=str(mark), artifacts=str(artifacts))
        finally:
            shutil.rmtree(own, ignore_errors=True)


def check_origin(origin: Origin) -> None:
    """Refuse work that this process would do differently, or elsewhere.

    Raises:
        WorkerMismatch: the code has another version, or the folder is not shared.

    """
    here, host = _code(), socket.gethostname()
    if any(origin.get(key) != value for key, value in here.items()):
        raise WorkerMismatch(
            f"the worker on {host} has another version of the code, {_name(here)}, than the flow, {_name(origin)}; install "
            "the flow's there and start the worker again. It has built nothing."
        )
    if not Path(origin["mark"]).is_dir():
        raise WorkerMismatch(
            f"the worker on {host} does not see the flow's folder {origin['artifacts']}; share that folder under the same "
            "path, or name a shared one with --artifacts. It has built nothing."
        )


def _name(code: Mapping[str, Any]) -> str:
    return f"perturb {code['version']} ({code['source'][:8]})"


def _code() -> dict[str, Any]:
    from perturb.experiment.stages import STAGES

    stages = {kind: stage.version for kind, stage in STAGES.items()}
    return {"version": perturb.__version__, "source": source_hash(), "stages": stages}


@functools.cache
def source_hash() -> str:
    """Return the SHA-256 over names and bytes of the package's files, as they were when this was first called."""
    folder, digest = Path(perturb.__file__).parent, hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
