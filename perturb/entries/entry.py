"""An entry: one model's runs on one benchmark, as JSON that others can check and compare with their own.

An entry holds single runs and no means: the reader computes the statistics.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date as Date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from perturb.config.metrics import MetricsConfig
from perturb.config.objectives import METHODS
from perturb.config.problem import first_problem
from perturb.config.section import Section
from perturb.errors import UserError
from perturb.files import as_json, write_json
from perturb.names import LONGEST_NAME, Link, Name, Text
from perturb.reading import read_regular
from perturb.statistics.intervals import CONFIDENCE
from perturb.statistics.scores import Row, Score, summarise

LARGEST_ENTRY = 4 << 20
"""Bytes; a larger file is not read."""
MOST_PROBLEMS = 10_000
"""Maximum number of malformed values to report one by one. A small file can have millions, and each report takes many times
the value's size in memory."""
SHA256 = r"^[0-9a-f]{64}$"
LARGEST_SEED = 2**63
PENDING_HASH, PENDING_SCORE = "0" * 64, 1 / 3
"""A hash and a score at least as long as any real one, for an entry that is tried before the first run."""
HOW = {
    "pipeline": "trained by an experiment of perturb",
    "fit": "trained by its own fit(dataset, seed)",
    "loop": "trained by perturb's loop around its module and loss",
    "encoder": "a fitted encoder, not trained again",
    "codes": "codes computed elsewhere",
}
"""The ways in which the runs of an entry may have been made."""
NOT_KNOWN = "not known"
SEEN_BY = {"fit": "labels", "loop": "images", "encoder": NOT_KNOWN, "codes": NOT_KNOWN}
"""The data that a training could read, by key in HOW: `fit` gets a dataset with labels, our loop passes images only."""

Sees = Literal["images", "pairs", "labels"]
"""Only images, also pairs of similar images, or also labels."""

Hash = Annotated[str, Field(pattern=SHA256)]
VariantName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Seed = Annotated[int, Field(ge=0, lt=LARGEST_SEED)]


class FileHash(Section):
    """The hash that identifies the images of one of a variant's patterns."""

    variant: VariantName
    draw: int = Field(default=0, ge=0, lt=1000)
    """Number of the pattern; each number is a different m_ψ or untrained network."""
    images_sha256: Hash
    """SHA-256 of the images' bytes in order, as the benchmark file states it."""
    recipe_sha256: Hash | None = None
    """SHA-256 of the recipe in the file, if it has one; it is the same on machines whose networks round differently."""


class DatasetOfEntry(Section):
    """The benchmark that a model was evaluated on."""

    name: Name
    """`mini`, `dsprites` or `shapes3d` for the published benchmarks, or a name given by its owner."""
    ground_truth: Name
    """Name of the ground truth in the files."""
    epsilon: float = Field(ge=0, le=1)
    """Largest change of a pixel in [0, 1]."""
    files: tuple[FileHash, ...] = Field(min_length=1, max_length=1000)


class MetricOfEntry(Section):
    """A metric with the settings that it was computed with."""

    name: str
    """Name of the metric, a key of `perturb.metrics.METRICS`."""
    settings: dict[str, JsonValue]


class AxesOfRun(Section):
    """A run's images measured along the axes of another code: that of the same seed's model on the original images.

    The numbers describe the pixels and that code, before anything is trained on the run's images (perturb/analysis/axes.py).
    """

    images: int = Field(ge=1)
    """Number of images measured."""
    latents: int = Field(ge=2)
    """Number of latents in use."""
    price: float = Field(gt=0)
    """The constant c of the local metric's logarithms."""
    saving: float = Field(ge=0)
    """Nats per unit of β that the best axes would save, within the directions in which the original images vary."""
    saving_whole: float = Field(ge=0)
    """The saving on the whole images, not only within the directions in which the originals vary."""
    angle: float = Field(ge=0, le=90)
    """Largest angle in degrees between an axis and the best one, within the directions in which the originals vary."""


class FactorOfRun(Section):
    """The way in which a run's codes hold one factor (perturb/analysis/factor_directions.py)."""

    latent: float = Field(ge=0, le=1)
    """Largest share of a latent's variance that the factor explains."""
    line: float = Field(ge=0, le=1)
    """Largest share of the variance along any line of the code that it explains."""
    readable: float = Field(le=1)
    """Readability of the factor from neighbours in the code; about 0 if the code does not depend on it."""


class Run(Section):
    """One training, or one set of codes, and its scores."""

    variant: VariantName
    draw: int = Field(default=0, ge=0, lt=1000)
    """Number of the pattern, as in `FileHash`."""
    seed: Seed
    """Number of the seed: runs with equal numbers are pairs."""
    scores: dict[str, float] | None
    """Scores by metric, without refused metrics; None if the run failed."""
    refused: dict[str, Text] = Field(default={}, exclude_if=lambda refused: not refused)
    """The reason for each metric without a value for the run's codes, by metric."""
    failure: Text | None = None
    """The reason why the run failed, in one sentence."""
    over_pruned: bool | None = None
    """True if fewer units are active than there are factors; None if unknown."""
    pruned_units: int | None = Field(default=None, ge=0, exclude_if=lambda units: units is None)
    """Number of pruned units, in entries that predate `over_pruned`. Those had as many latents as factors, so any pruned
    unit makes the run over-pruned."""
    seconds: float | None = Field(default=None, ge=0)
    """Seconds that the run took."""
    axes: AxesOfRun | None = Field(default=None, exclude_if=lambda axes: axes is None)
    """The images measured along the model's axes; None if this was not measured or could not be."""
    factors: dict[Name, FactorOfRun] | None = Field(default=None, max_length=100, exclude_if=lambda factors: factors is None)
    """The way in which the run's codes hold each factor; None if this was not measured or could not be."""


class Confidence(Section):
    """Confidence level, in (0, 1), of the intervals computed from the runs (perturb/statistics/intervals.py)."""

    level: float = Field(default=CONFIDENCE, gt=0, lt=1)
    resamples: int | None = Field(default=None, ge=100, le=1_000_000, exclude_if=lambda count: count is None)
    seed: Seed | None = Field(default=None, exclude_if=lambda seed: seed is None)
    """This and `resamples` occur in entries from when intervals were bootstrapped; both are ignored."""


class Entry(Section):
    """One model on one benchmark."""

    format_version: Literal[1] = 1
    model: Name
    method: Text
    """A description of the model in one line."""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """Settings of the model, as its author names them."""
    how: Literal["pipeline", "fit", "loop", "encoder", "codes"]
    """The way in which the model was run, a key of `HOW`."""
    dataset: DatasetOfEntry
    seed: Seed
    """Root seed."""
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=10_000)
    """Numbers of the seeds; every variant has a run of each seed, on one pattern or on several."""
    metrics: tuple[MetricOfEntry, ...] = Field(min_length=1, max_length=100)
    """The metrics; sentences are about the first."""
    runs: tuple[Run, ...] = Field(min_length=1, max_length=100_000)
    confidence: Confidence = Confidence()
    versions: dict[Name, Name]
    """Versions of the software."""
    date: Date | None = Field(default=None, exclude_if=lambda date: date is None)
    """Day when the entry was made."""
    paper: Link | None = Field(default=None, exclude_if=lambda link: link is None)
    """Address of the paper that describes the model."""
    code: Link | None = Field(default=None, exclude_if=lambda link: link is None)
    """Address of the model's code."""
    sees: Sees | None = Field(default=None, exclude_if=lambda sees: sees is None)
    """The data that the training read, as the author states it; for trainings outside perturb, nobody else knows."""


def seen_by(entry: Entry) -> str:
    """Return the data that an entry's model was trained on, as its author states it, else the data it could read."""
    return could_see(entry) if entry.how == "pipeline" or entry.sees is None else entry.sees


def could_see(entry: Entry) -> str:
    """Return the data that an entry's model could read in training: images, pairs, labels or `NOT_KNOWN`."""
    if entry.how != "pipeline":
        return SEEN_BY[entry.how]
    objective = entry.settings.get("objective")
    kind = objective.get("kind") if isinstance(objective, dict) else None
    return METHODS[kind].sees if isinstance(kind, str) and kind in METHODS else NOT_KNOWN


def metrics_of(names: Iterable[str], settings: MetricsConfig) -> tuple[MetricOfEntry, ...]:
    """Return metrics with their settings, in the form of entries."""
    return tuple(MetricOfEntry(name=name, settings=getattr(settings, name).model_dump(mode="json")) for name in names)


@contextmanager
def as_user_error(what: str) -> Iterator[None]:
    """Turn a validation error while an entry is made into one sentence.

    Raises:
        UserError: a field of `what` does not have the form of entries.

    """
    try:
        yield
    except ValidationError as error:
        raise UserError(f"{what} could not be written as an entry, because of {first_problem(error)}.") from None


def require_readable(entry: Entry) -> None:
    """Raise a UserError for an entry that would be too large to be read again."""
    size = len(as_json(entry.model_dump(mode="json")).encode())
    if size > LARGEST_ENTRY:
        raise UserError(
            f"the results of {entry.model} would be an entry of {size:,} bytes, and the limit is {LARGEST_ENTRY:,}; ask "
            "for fewer seeds, variants or metrics, or give the model shorter settings."
        )


def write_entry(path: Path, entry: Entry) -> None:
    """Write an entry atomically."""
    write_json(path, entry.model_dump(mode="json"))


def parse_entry(path: Path) -> tuple[Entry | None, list[str]]:
    """Return a file's entry, or None and a sentence for everything that does not have the form of an entry."""
    try:
        text = read_regular(path, LARGEST_ENTRY)
    except OSError as error:
        return None, [f"The file cannot be read ({error.strerror})."]
    try:
        return Entry.model_validate_json(text), []
    except ValidationError as error:
        if error.error_count() > MOST_PROBLEMS:
            return None, [f"The file does not have the form of an entry: {error.error_count():,} of its values are wrong."]
        return None, [_sentence(problem) for problem in error.errors(include_url=False)]


def scores_of(entry: Entry) -> list[Score]:
    """Return an entry's runs in the form that the statistics take."""
    return [
        Score(
            method=entry.model,
            variant=run.variant,
            draw=run.draw,
            seed=run.seed,
            values=run.scores,
            failure=run.failure,
            refused=run.refused,
            over_pruned=bool(run.pruned_units) if run.over_pruned is None else run.over_pruned,
        )
        for run in entry.runs
    ]


def label_of(variant: str, pattern: int) -> str:
    """Return `modified` for a variant's first pattern, and `modified, pattern 1` and so on for others."""
    return variant if pattern == 0 else f"{variant}, pattern {pattern}"


def rows_of(entry: Entry) -> list[Row]:
    """Return an entry's rows of the tables."""
    return summarise(scores_of(entry), [metric.name for metric in entry.metrics])


def refusal(path: Path, reasons: list[str]) -> UserError:
    """Return one error with all reasons against a file."""
    return UserError(f"{path} is not an entry that can be used: {' '.join(reasons)}")


def _sentence(problem: ErrorDetails) -> str:
    """Return a pydantic error as a sentence; at most 80 characters of a value are shown."""
    key = ".".join(str(part) for part in problem["loc"])
    key = repr(key if len(key) <= LONGEST_NAME else f"{key[:LONGEST_NAME]}…")[1:-1]
    given = json.dumps(problem["input"], default=str)
    given = given if len(given) <= LONGEST_NAME else f"{given[:LONGEST_NAME]}…"
    rule = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "json_invalid":
        return f"The file is not JSON: {rule.removeprefix('Invalid JSON: ')}."
    if problem["type"] == "extra_forbidden":
        return f"The key `{key}` is unknown; remove it or correct its name."
    if problem["type"] == "missing":
        return f"The key `{key}` is missing."
    return f"`{key}`: {rule[:1].lower()}{rule[1:]}, got {given}."
