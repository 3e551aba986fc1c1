"""The rules that an entry must follow beyond its form; each violation is reported in its own sentence."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from perturb.config.metrics import MetricsConfig
from perturb.config.problem import first_problem
from perturb.entries.entry import Entry, FileHash, label_of, parse_entry, refusal
from perturb.entries.packaged import BENCHMARKS
from perturb.escapes import in_line
from perturb.metrics import METRICS
from perturb.statistics.intervals import CONFIDENCE
from perturb.statistics.scores import BASELINE

TOLERANCE = 1e-6
"""Tolerance for scores that rounding moves out of their range."""
MOST_REASONS = 20
"""Maximum number of violations to list; an entry may have thousands of runs."""


Known = Mapping[str, Sequence[FileHash]]
"""Published files by the benchmark's name."""


def check_entry(path: Path, known: Known | None = None) -> tuple[Entry | None, list[str]]:
    """Return a file's entry, or None and all reasons against it, in sentences.

    Args:
        path: path of the file.
        known: published files; entries of benchmarks that are not in it may be of any images.

    """
    entry, reasons = parse_entry(path)
    if entry is not None:
        reasons = reasons_against(entry, known or {})
    if len(reasons) > MOST_REASONS:
        reasons = [*reasons[:MOST_REASONS], f"There are {len(reasons) - MOST_REASONS} more reasons."]
    return (None if reasons else entry), reasons


def read_entry(path: Path, known: Known | None = None) -> Entry:
    """Read an entry from its file.

    Raises:
        UserError: the file is not a valid entry; the message has all reasons.

    """
    entry, reasons = check_entry(path, known)
    if entry is None:
        raise refusal(path, reasons)
    return entry


def reasons_against(entry: Entry, known: Known) -> list[str]:
    """Return one sentence for each violation of a rule."""
    rules = (_metrics, _pairs, _files, _scores)
    reasons = [sentence for rule in rules for sentence in rule(entry)]
    return [*reasons, *_ground_truth(entry, known), *_known_files(entry, known.get(entry.dataset.name, ()))]


def _metrics(entry: Entry) -> Iterator[str]:
    for name, times in Counter(metric.name for metric in entry.metrics).items():
        if times > 1:
            yield f"The metric {name} is listed {times} times."
    for metric in entry.metrics:
        if metric.name not in METRICS:
            yield f"The metric {_shown(metric.name)} is unknown; those there are: {', '.join(METRICS)}."
            continue
        try:
            type(getattr(MetricsConfig(), metric.name)).model_validate_json(json.dumps(metric.settings))
        except ValidationError as error:
            yield f"The settings of {metric.name} cannot be used: {first_problem(error)}."
    if entry.confidence.level != CONFIDENCE:
        yield f"confidence.level must be {CONFIDENCE:g}, as in all tables, got {entry.confidence.level:g}."


def _pairs(entry: Entry) -> Iterator[str]:
    """Check that every variant has exactly one run of every seed, and that the original is among the variants."""
    wanted = set(entry.seeds)
    if len(wanted) < len(entry.seeds):
        yield "The numbers in `seeds` must differ."
    found: dict[str, list[tuple[int, int]]] = {}
    for run in entry.runs:
        found.setdefault(run.variant, []).append((run.draw, run.seed))
    if BASELINE not in found:
        yield f"There are no runs on the {BASELINE}, with which all others are compared."
    for variant, runs in found.items():
        if variant == BASELINE and (drawn := sorted({draw for draw, _ in runs} - {0})):
            yield f"The {BASELINE} has no pattern to draw, so its runs must have draw 0, got {_listed(drawn)}."
        for (pattern, seed), times in sorted(Counter(runs).items()):
            if times > 1:
                yield f"The variant {label_of(variant, pattern)} has {times} runs of seed {seed}."
        if (seeds := {seed for _, seed in runs}) != wanted:
            yield (
                f"The seeds of the variant {variant} do not pair with the others: `seeds` are {_listed(entry.seeds)}, "
                f"and it has runs of {_listed(sorted(seeds))}."
            )


def _files(entry: Entry) -> Iterator[str]:
    """Check that each variant and pattern with runs has the hash of its images exactly once."""
    hashed = Counter((file.variant, file.draw) for file in entry.dataset.files)
    for (variant, pattern), times in hashed.items():
        if times > 1:
            yield f"dataset.files lists the variant {label_of(variant, pattern)} {times} times."
    scored = {(run.variant, run.draw) for run in entry.runs}
    for variant, pattern in sorted(scored - set(hashed)):
        yield f"The variant {label_of(variant, pattern)} has runs, and dataset.files has no hash of its images."
    for variant, pattern in sorted(set(hashed) - scored):
        yield f"The variant {label_of(variant, pattern)} is in dataset.files and has no runs."


def _scores(entry: Entry) -> Iterator[str]:
    names = {metric.name for metric in entry.metrics}
    for run in entry.runs:
        place = f"{label_of(run.variant, run.draw)}, seed {run.seed}"
        if (run.scores is None) == (run.failure is None):
            yield f"The run on {place} must have either scores or the reason for its failure."
        if run.scores is None:
            continue
        given = sorted([*run.scores, *run.refused])
        if given != sorted(names):
            yield (
                f"The run on {place} must have {_listed(sorted(names))}, each either as a score or as refused, got "
                f"{_listed(given)}."
            )
        for name, value in run.scores.items():
            if name in METRICS and not _is_in_range(name, value):
                low, high = METRICS[name].range
                yield (
                    f"The {METRICS[name].title} on {place} is {value:g}, and must lie between {low:g} and "
                    f"{'∞' if high is None else f'{high:g}'}."
                )


def _is_in_range(metric: str, value: float) -> bool:
    low, high = METRICS[metric].range
    return low - TOLERANCE <= value and (high is None or value <= high + TOLERANCE)


def _ground_truth(entry: Entry, known: Known) -> Iterator[str]:
    """Check that a named benchmark has its own ground truth and images, and that changed images have an ε."""
    dataset = entry.dataset
    if dataset.name in BENCHMARKS and dataset.ground_truth != dataset.name:
        yield f"dataset.ground_truth must be {dataset.name}, as that benchmark's, got {_shown(dataset.ground_truth)}."
    elsewhere = {file.images_sha256: name for name, files in known.items() if name != dataset.name for file in files}
    for file in dataset.files if dataset.name in BENCHMARKS else ():
        if name := elsewhere.get(file.images_sha256):
            yield f"The images of {dataset.name}'s variant {label_of(file.variant, file.draw)} are those of {name}."
    if dataset.epsilon == 0 and any(file.variant != BASELINE for file in dataset.files):
        yield f"dataset.epsilon must be above 0, because there are images of other variants than the {BASELINE}, got 0."


def _known_files(entry: Entry, known: Sequence[FileHash]) -> Iterator[str]:
    """Check that the images of a named benchmark are published, or made from the published recipe on another machine."""
    published = {(file.variant, file.draw): file for file in known}
    for file in entry.dataset.files if known else ():
        label, wanted = label_of(file.variant, file.draw), published.get((file.variant, file.draw))
        if wanted is None:
            yield f"{entry.dataset.name} has no variant {label}; your own images need another dataset name."
        elif file.images_sha256 != wanted.images_sha256 and not _same_recipe(file, wanted):
            yield (
                f"The images of {entry.dataset.name}'s variant {label} are not the published ones: their sha256 must be "
                f"{wanted.images_sha256}, got {file.images_sha256}."
            )


def _same_recipe(file: FileHash, wanted: FileHash) -> bool:
    return wanted.recipe_sha256 is not None and file.recipe_sha256 == wanted.recipe_sha256


def _listed(values: Iterable[object]) -> str:
    """Return at most ten of the values as text."""
    shown = [_shown(value) for value in values]
    return (", ".join(shown[:10]) + (", …" if len(shown) > 10 else "")) or "none"


def _shown(value: object) -> str:
    text = in_line(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
