"""Run directories: the durable unit of work.

A run is named by its kind and a hash of (kind, stage version, config, ids of its inputs). `ensure` reuses a finished run, or
else builds it in a scratch folder, writes the manifest last and renames the folder into place. Resuming, sharing between
machines and never training a model twice all follow from that; no other state is needed. If a stage finds that an input is
damaged, the input is set aside and rebuilt.
"""

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from perturb.config.loading import canonical_json
from perturb.config.section import Section
from perturb.errors import UserError
from perturb.files import disk_full_as_user_error, flush_to_disk, sha256_of
from perturb.locks import exclusive_folder, is_locked
from perturb.machine import made_here
from perturb.manifests import MANIFEST, DamagedRun, read_config, read_manifest, read_result, run_files, write_manifest
from perturb.mending import SECONDS_BETWEEN_TRIES, hold_against, set_aside
from perturb.progress import Progress

DAMAGED = "damaged"
"""Folder for runs that were set aside."""
ConfigT = TypeVar("ConfigT", bound=Section, covariant=True)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, kw_only=True, eq=False)
class RunSpec(Generic[ConfigT]):
    """The specification of a run: enough to name it before it exists, and to build it."""

    kind: str
    """The kind of run, a key of `STAGES`, which defines how the run is built."""
    version: int
    """Version of the stage's code; raised by hand when its results change."""
    config: ConfigT
    inputs: Mapping[str, "RunSpec[Any]"] = field(default_factory=dict)
    """Runs whose files this one reads, keyed by the stage's names for them."""
    label: str = ""
    """A human-readable name; not part of the identity."""
    cost: float = 1.0
    """Expected work in arbitrary units, for estimating the remaining time; not part of the identity."""

    @cached_property
    def id(self) -> str:
        """`<kind>-<16 hexadecimal digits>`."""
        identity = {
            "kind": self.kind,
            "version": self.version,
            "config": json.loads(canonical_json(self.config)),
            "inputs": {name: spec.id for name, spec in self.inputs.items()},
        }
        return f"{self.kind}-{_short_hash(identity)}"

    @cached_property
    def family(self) -> str:
        """A hash shared by all runs that differ only in the config's seed, their own or their inputs'.

        Such runs do the same work, each on its own inputs.
        """
        config = json.loads(canonical_json(self.config))
        config.pop("seed", None)
        return _short_hash([self.kind, self.version, config, {name: spec.family for name, spec in self.inputs.items()}])


def _short_hash(identity: Any) -> str:  # noqa: ANN401
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class StageContext(Generic[ConfigT]):
    """Everything that a stage needs to build its run."""

    spec: RunSpec[ConfigT]
    inputs: Mapping[str, Path]
    """Folders of the finished input runs."""
    out: Path
    """The folder for the run's files."""
    scratch: Path
    """Folder for checkpoints. It survives a kill, successive attempts share it, and it is removed once the run exists."""
    device: str
    progress: Progress
    compile: bool = False
    """True if torch should compile the networks."""


Build = Callable[[StageContext[Any]], object]
"""Writes a run's files to `out` and returns its result, a small dataclass or mapping that the manifest stores as JSON."""
BuildTogether = Callable[[Sequence[StageContext[Any]]], Sequence[object]]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The version of one kind of run, and the functions that build it."""

    version: int
    build: Build
    build_together: BuildTogether | None = None
    """Builds several runs of one family at once; None if that is not faster."""


class Store:
    """The run directories below one folder.

    Args:
        root: the folder.
        stages: how to build runs of each kind.
        device: torch device to build on.
        stack: maximum number of runs of one family to build together.
        compile: whether to compile the networks.
        threads: cores that a run is built on, for its manifest.

    """

    def __init__(
        self, root: Path, stages: Mapping[str, Stage], *, device: str = "cpu", stack: int = 1, compile: bool = False,
        threads: int = 1,
    ) -> None:  # fmt: skip
        self.root = root.resolve()
        self.stages = stages
        self.device = device
        self.stack = stack
        self.compile = compile
        self.threads = threads

    def path(self, spec: RunSpec) -> Path:
        """Return the folder where a run is, or will be."""
        return self.root / "runs" / spec.id

    def scratch(self, spec: RunSpec) -> Path:
        """Return the folder with a run's checkpoints and progress while it is being built."""
        return self.root / "scratch" / spec.id

    def is_complete(self, spec: RunSpec) -> bool:
        """Return whether the run is finished; its files are verified when they are read."""
        return (self.path(spec) / MANIFEST).is_file()

    def is_being_built(self, spec: RunSpec) -> bool:
        """Return whether this flow or another is building the run right now."""
        return is_locked(self.scratch(spec))

    def result(self, spec: RunSpec, kind: type[ResultT]) -> ResultT:
        """Return a finished run's result; see `read_result`."""
        return read_result(self.path(spec), kind)

    def seconds(self, spec: RunSpec) -> float:
        """Return the seconds that it took to build a finished run."""
        return read_manifest(self.path(spec))["built"]["seconds"]

    def ensure(self, spec: RunSpec) -> str:
        """Build the run, after its inputs, unless they exist; return "built" or "reused"."""
        return self.ensure_all([spec])[0]

    def ensure_all(self, specs: Sequence[RunSpec]) -> list[str]:
        """Build several runs as `ensure` does; runs of one family are built together if their stage supports it."""
        missing = {spec.id: spec for spec in specs if not self.is_complete(spec)}
        for spec in missing.values():
            if self.path(spec).is_dir() and any(self.path(spec).iterdir()):
                raise UserError(f"{self.path(spec)} has files but no {MANIFEST}, so it is not a run of ours; move it away.")
        if missing:
            self.ensure_all([needed for spec in missing.values() for needed in spec.inputs.values()])
        built = {spec.id for group in self._groups(missing.values()) for spec in self._build(group)}
        return ["built" if spec.id in built else "reused" for spec in specs]

    def _groups(self, specs: Iterable[RunSpec]) -> Iterator[list[RunSpec]]:
        """Yield groups of runs to build together."""
        families: dict[str, list[RunSpec]] = {}
        for spec in specs:
            key = spec.family if self.stages[spec.kind].build_together else spec.id
            families.setdefault(key, []).append(spec)
        for family in families.values():
            yield from (family[i : i + self.stack] for i in range(0, len(family), self.stack))

    def _build(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        """Build one run, or several of a family together; wait for runs that others build. Return those built here."""
        built, open_runs = [], list(specs)
        while open_runs:
            with ExitStack() as stack:
                claims = {spec: stack.enter_context(exclusive_folder(self.scratch(spec))) for spec in open_runs}
                own = {spec: scratch for spec, scratch in claims.items() if scratch is not None}
                if missing := {spec: scratch for spec, scratch in own.items() if not self.is_complete(spec)}:
                    self._build_claimed(missing)
                    built += missing
                for scratch in own.values():
                    shutil.rmtree(scratch, ignore_errors=True)
            open_runs = [spec for spec in open_runs if not self.is_complete(spec)]
            if open_runs:
                time.sleep(SECONDS_BETWEEN_TRIES)
        return built

    def _build_claimed(self, specs: Mapping[RunSpec, Path]) -> None:
        """Build runs in their scratch folders; inputs that turn out to be damaged are rebuilt first, each at most once."""
        inputs, mended = {self.path(needed): needed for spec in specs for needed in spec.inputs.values()}, set()
        while True:
            try:
                return self._build_from_inputs(specs)
            except DamagedRun as damage:
                if damage.run not in inputs or damage.run in mended:
                    raise
                mended.add(damage.run)
                place = self.set_aside(inputs[damage.run], damage)
                self.ensure(inputs[damage.run])
                if place is not None:
                    hold_against(place, damage.run)

    def set_aside(self, spec: RunSpec, damage: DamagedRun) -> Path | None:
        """Move a damaged run out of the way, unless somebody has rebuilt it by now; return its new path, or None."""
        return set_aside(damage, scratch=self.scratch(spec), folder=self.root / DAMAGED)

    def set_aside_damaged(self, specs: Iterable[RunSpec], *, whole: Sequence[RunSpec] = ()) -> None:
        """Set aside finished runs whose manifest is damaged, and runs in `whole` with any damaged file."""
        for spec in filter(self.is_complete, specs):
            try:
                run_files(self.path(spec)) if spec in whole else read_manifest(self.path(spec))
            except DamagedRun as damage:
                self.set_aside(spec, damage)

    def _build_from_inputs(self, specs: Mapping[RunSpec, Path]) -> None:
        """Build runs whose inputs exist, in their scratch folders, which nobody else uses."""
        started, stage = time.time(), self.stages[next(iter(specs)).kind]
        with ExitStack() as stack:
            stack.enter_context(disk_full_as_user_error(self.root, ", ".join(spec.label for spec in specs)))
            contexts = [stack.enter_context(self._context(spec, scratch)) for spec, scratch in specs.items()]
            results = _built(stage, contexts)
            seconds = (time.time() - started) / len(specs)
            for context, result in zip(contexts, results, strict=True):
                self._seal(context.spec, context.out, result, seconds=seconds)
                self._publish(context.out, self.path(context.spec))

    @contextmanager
    def _context(self, spec: RunSpec, scratch: Path) -> Iterator[StageContext[Any]]:
        """Yield what a stage needs to build a run; afterwards remove what is left in `out`, but keep checkpoints."""
        out = self.root / "scratch" / f"{spec.id}.{os.getpid()}-{uuid.uuid4().hex[:8]}.out"
        out.mkdir()
        inputs = {name: self.path(needed) for name, needed in spec.inputs.items()}
        try:
            with Progress(scratch) as progress:
                yield StageContext(
                    spec=spec,
                    inputs=inputs,
                    out=out,
                    scratch=scratch,
                    device=self.device,
                    progress=progress,
                    compile=self.compile,
                )
        finally:
            shutil.rmtree(out, ignore_errors=True)

    def _seal(self, spec: RunSpec, out: Path, result: object, *, seconds: float) -> None:
        """Write the manifest, after flushing every other file to disk."""
        files = {}
        for path in sorted(p for p in out.rglob("*") if p.is_file()):
            flush_to_disk(path)
            files[path.relative_to(out).as_posix()] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        write_manifest(
            out,
            {
                "id": spec.id,
                "kind": spec.kind,
                "stage_version": spec.version,
                "label": spec.label,
                "config": spec.config.model_dump(mode="json"),
                "inputs": {name: needed.id for name, needed in spec.inputs.items()},
                "files": files,
                "result": asdict(result) if is_dataclass(result) and not isinstance(result, type) else result,
                "built": {
                    "seconds": round(seconds, 1),
                    "threads": self.threads,
                    "device": self.device,
                    **made_here(),
                },
            },
        )

    def _publish(self, out: Path, final: Path) -> None:
        """Rename the run into place; if another process was faster, keep its run and drop ours."""
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(out, final)
        except OSError:
            if not (final / MANIFEST).is_file():
                raise
            shutil.rmtree(out)
        flush_to_disk(final.parent)

    def collect_garbage(self, *, older_than_hours: float) -> list[Path]:
        """Remove scratch folders that killed processes left and nothing has touched for this long; return those removed."""
        limit, scratch = time.time() - older_than_hours * 3600, self.root / "scratch"
        folders = [p for p in scratch.glob("*") if p.is_dir() and not is_locked(scratch / p.name.partition(".")[0])]
        stale = [p for p in folders if last_touched(p) < limit]
        for folder in stale:
            shutil.rmtree(folder, ignore_errors=True)
        return stale


def _built(stage: Stage, contexts: Sequence[StageContext[Any]]) -> Sequence[object]:
    """Build runs together if their stage supports it, else one by one; return their results."""
    if len(contexts) == 1 or stage.build_together is None:
        return [stage.build(context) for context in contexts]
    return stage.build_together(contexts)


def last_touched(folder: Path) -> float:
    """Return when anything in a folder last changed, in seconds since the epoch; ignore files that vanish meanwhile."""
    times = [0.0]
    for path in [folder, *folder.rglob("*")]:
        with suppress(FileNotFoundError):
            times.append(path.stat().st_mtime)
    return max(times)


__all__ = [
    "MANIFEST", "Build", "BuildTogether", "DamagedRun", "RunSpec", "Stage", "StageContext", "Store", "last_touched",
    "read_config", "read_result",
]  # fmt: skip
