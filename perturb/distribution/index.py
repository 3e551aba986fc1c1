"""index.json: the benchmark files that a folder publishes, with their sizes and hashes.

Downloads trust nothing else: a file that is not listed, or whose bytes differ, does not get its final name. File names are
relative to the index and may not leave its folder. A folder may hold only recipes: an experiment's results are published
this way, with its tables and figures as further files.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, ValidationError, model_validator

from perturb.config.problem import first_problem
from perturb.config.section import Section
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.datasets.hdf5.schema import RECIPE, WEIGHTS
from perturb.errors import UserError
from perturb.files import sha256_of, write_json
from perturb.variants import VariantPattern, pattern_in_name

INDEX = "index.json"
LARGEST_INDEX = 1 << 20
"""Bytes; a larger index is not read."""


def stays_below(file: str) -> bool:
    """Return whether a path with forward slashes is relative and stays below the folder that it starts from."""
    path = PurePosixPath(file)
    outside = "\\" in file or not file.isprintable() or path.is_absolute() or {"..", "~"} & set(path.parts)
    return bool(path.parts) and not outside


def _checked_path(file: str) -> str:
    if not stays_below(file):
        raise ValueError("must be a path below the index, with forward slashes and without '..'")
    return file


Below = Annotated[str, AfterValidator(_checked_path)]
"""A path below the index, with forward slashes."""
Size = Annotated[int, Field(ge=1)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Listed(Section):
    """A listed file."""

    file: Below
    bytes: Size
    """Size of the file."""
    sha256: Hash
    """SHA-256 of the file's bytes."""


class Made(Listed):
    """A file that a command makes."""

    command: str
    """The command, to be run in the index's folder or at the top of the project."""


class Entry(Section):
    """A published benchmark file, or the recipe to rebuild it."""

    file: Below | None = Field(default=None, exclude_if=lambda file: file is None)
    """Path below the index, with forward slashes; None if only the recipe is published."""
    bytes: Size | None = Field(default=None, exclude_if=lambda size: size is None)
    """Size of the file; if only the recipe is published, the size where the recipe was written."""
    sha256: Hash | None = None
    """SHA-256 of the file's bytes; if only the recipe is published, the hash where the recipe was written."""
    seconds: float | None = Field(default=None, ge=0, exclude_if=lambda seconds: seconds is None)
    """Seconds that making and verifying the file took where the recipe was written, if known."""
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """The name used to request the file: `<dataset>-<variant>`, and for further patterns `<dataset>-<variant>-2`, …"""
    dataset: str
    """Key of the ground truth."""
    variant: str
    """The variant: original, modified, noise, untrained or another one."""
    epsilon: float = Field(ge=0, le=1)
    """Largest change of a pixel in [0, 1]."""
    images: int = Field(ge=1)
    """Number of images."""
    recipe: list[Listed] = Field(default=[], max_length=2)
    """The files to rebuild it from: its recipe and, if there is a network, the network's weights."""

    @model_validator(mode="after")
    def _is_a_file_or_has_a_recipe(self) -> "Entry":
        if self.file is None and not self.recipe:
            raise ValueError("an entry must have a file or a recipe")
        if self.file is not None and (self.bytes is None or self.sha256 is None):
            raise ValueError("an entry that has a file must have its bytes and its sha256")
        return self

    @property
    def listed(self) -> Listed | None:
        """The file, if it is published."""
        if self.file is None or self.bytes is None or self.sha256 is None:
            return None
        return Listed(file=self.file, bytes=self.bytes, sha256=self.sha256)


class Origin(Section):
    """The experiment whose results are published."""

    experiment: str
    """Name of the experiment."""
    config_hash: str
    """Hash of the experiment's config."""
    command: str
    """The command that ran and published the experiment."""
    made_with: dict[str, JsonValue]
    """Versions, machine and time of its report."""


class Index(Section):
    """All published files of a folder."""

    format: Literal[1] = 1
    """The format of this index."""
    entries: list[Entry]
    """The files that the folder publishes, each name once."""
    origin: Origin | None = Field(default=None, exclude_if=lambda origin: origin is None)
    """Given if the folder has the results of an experiment."""
    others: list[Made] = Field(default=[], exclude_if=lambda others: not others)
    """The experiment's tables, figures and pages."""

    @model_validator(mode="after")
    def _names_differ(self) -> "Index":
        names = [entry.name for entry in self.entries]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"entries must have different names; given twice: {', '.join(twice)}")
        return self

    @property
    def files(self) -> dict[str, Listed]:
        """All listed files by their normalised path below the index."""
        whole = [listed for entry in self.entries if (listed := entry.listed)]
        parts = [part for entry in self.entries for part in entry.recipe]
        return {PurePosixPath(each.file).as_posix(): each for each in (*whole, *parts, *self.others)}

    def entry(self, name: str) -> Entry:
        """Return the entry with a name; for an unknown name, raise a UserError that lists the known ones."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.entries) or "nothing"
        raise UserError(f"{name} is not published there; the index lists {known}.")


def write_index(folder: Path) -> Index:
    """Write a folder's index.json with all of its benchmark files; raise as `index_of` and `files_below` do."""
    index = index_of(folder, files_below(folder))
    write_json(folder / INDEX, index.model_dump(mode="json"))
    return index


def files_below(folder: Path) -> list[BenchmarkFile]:
    """Return all benchmark files below a folder, sorted by path.

    Raises:
        UserError: there is none, or one is unfinished or damaged.

    """
    paths = sorted(path for path in folder.rglob("*.h5") if not path.is_symlink())
    if not paths:
        raise UserError(f"{folder}: must hold benchmark files (*.h5), and there is none.")
    return [BenchmarkFile(path) for path in paths]


def index_of(folder: Path, files: Iterable[BenchmarkFile]) -> Index:
    """Return an index of a folder's files, with hashes of each file and its recipe.

    Raises:
        UserError: two files are the same variant of the same dataset, or a name is not valid in an index.

    """
    try:
        return Index(entries=[_entry(file, folder) for file in files])
    except ValidationError as error:
        raise UserError(f"{folder}: {first_problem(error)}; move one elsewhere.") from None


def parse_index(text: bytes, origin: str) -> Index:
    """Return the index in the bytes of a file or a response.

    Args:
        text: the bytes.
        origin: path or address, for the error message.

    Raises:
        UserError: the bytes are not an index.

    """
    if len(text) > LARGEST_INDEX:
        raise UserError(f"{origin}: an index must have at most {LARGEST_INDEX:,} bytes; this is not one of ours.")
    try:
        return Index.model_validate(json.loads(text))
    except ValidationError as error:
        raise UserError(f"{origin}: {first_problem(error)}; this is not an index of ours.") from None
    except (ValueError, RecursionError):
        raise UserError(f"{origin}: must be JSON; this is not an index of ours.") from None


def _entry(file: BenchmarkFile, folder: Path) -> Entry:
    """Return the entry of a benchmark file, including the recipe and weights next to it."""
    beside = [file.path.with_suffix(suffix) for suffix in (RECIPE, WEIGHTS)]
    column = VariantPattern(file.variant, pattern_in_name(file.path.stem, file.variant) or 0)
    return Entry(
        **listed_in(folder, file.path),
        name=asked_by(file.name, column.name),
        recipe=[Listed(**listed_in(folder, part)) for part in beside if part.is_file() and not part.is_symlink()],
        dataset=file.name,
        variant=file.variant,
        epsilon=file.epsilon,
        images=file.grid.num_images,
    )


def asked_by(dataset: str, column: str) -> str:
    """Return the name used to request a file: its dataset's name, in characters safe in an address, and the column."""
    return f"{re.sub('[^a-z0-9_-]+', '-', dataset.lower()).strip('-_') or 'own'}-{column}"


def listed_in(folder: Path, path: Path) -> dict[str, Any]:
    """Return the fields of `Listed` for a file in a folder."""
    return {"file": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
