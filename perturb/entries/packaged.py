"""The published results that come with the package: recipes of benchmark files, and the built-in methods' entries."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.datasets.hdf5.schema import RECIPE
from perturb.distribution.index import INDEX, Index, parse_index
from perturb.entries.entry import Entry, FileHash, MetricOfEntry, parse_entry, refusal, rows_of
from perturb.statistics.scores import Row
from perturb.variants import VariantPattern

BENCHMARKS = ("mini", "dsprites", "shapes3d")
"""The named benchmarks. If the package has recipes of a benchmark, its files are made from them."""
STUDIES = (*BENCHMARKS, "shapes3d_methods")
"""The folders of entries written by studies: those that made the benchmarks, and those of further methods on them."""
BUILT_IN = "built_in"
"""The folder of entries written by `perturb evaluate`: models of other libraries, in addition to the studies' methods."""


def benchmark_name(benchmark: str, *, other_originals: bool) -> str:
    """Return the name of a benchmark in entries; on other originals it has one of its own, as scores are not comparable."""
    return f"{benchmark}, other originals" if other_originals else benchmark


def published_folder(benchmark: str) -> Path:
    """Return the folder of a benchmark's recipes, weights and entries/*.json; it may not exist."""
    return Path(str(files("perturb.entries.published"))) / benchmark


def published_index(benchmark: str) -> Index:
    """Return the index of a benchmark's files that come with the package; without any, it has no entries."""
    path = published_folder(benchmark) / INDEX
    return parse_index(path.read_bytes(), str(path)) if path.is_file() else Index(entries=[])


def recipes(benchmark: str) -> dict[VariantPattern, Path]:
    """Return the recipes of a benchmark's files that come with the package; its study used more patterns than these."""
    columns = [VariantPattern(file.variant, file.draw) for file in known_files().get(benchmark, ())]
    paths = {column: published_folder(benchmark) / f"{column.name}{RECIPE}" for column in columns}
    return {column: path for column, path in paths.items() if path.is_file()}


def recipe_hash(file: BenchmarkFile) -> str | None:
    """Return the SHA-256 of the recipe in a benchmark file; None if it has none."""
    text = str(file.attributes.get("recipe", ""))
    return sha256(text.encode()).hexdigest() if text else None


def is_published(name: str, column: VariantPattern, file: BenchmarkFile) -> bool:
    """Return whether a file's images or recipe are the published ones; True if nothing is published of the benchmark."""
    known = {VariantPattern(each.variant, each.draw): each for each in known_files().get(name, ())}
    if not known:
        return True
    published, recipe = known.get(column), recipe_hash(file)
    if published is None:
        return False
    return published.images_sha256 == file.images_sha256 or (recipe is not None and published.recipe_sha256 == recipe)


def published_entries() -> tuple[Entry, ...]:
    """Return the built-in methods' entries in table order: those of the studies, then models of other libraries."""
    return (*_entries_of_studies(), *_entries_in(published_folder(BUILT_IN)))


def _entries_of_studies() -> tuple[Entry, ...]:
    return tuple(entry for study in STUDIES for entry in _entries_in(published_folder(study) / "entries"))


@cache
def _entries_in(folder: Path) -> tuple[Entry, ...]:
    """Return the entries of a folder, sorted by file name; raise a UserError if one cannot be read."""
    found = []
    for path in sorted(folder.glob("*.json")):
        entry, reasons = parse_entry(path)
        if entry is None:
            raise refusal(path, reasons)
        found.append(entry)
    return tuple(found)


def known_files() -> dict[str, tuple[FileHash, ...]]:
    """Return every published file by benchmark, from all entries: methods with fewer seeds were trained on fewer files.

    The benchmark's own study comes first. A file that another machine made from the same recipe may differ in its images by
    rounding, and does not count as another one.
    """
    found: dict[str, dict[VariantPattern, FileHash]] = {}
    for entry in _entries_of_studies():
        for file in entry.dataset.files:
            found.setdefault(entry.dataset.name, {}).setdefault(VariantPattern(file.variant, file.draw), file)
    return {name: tuple(hashes.values()) for name, hashes in found.items()}


def published_rows(name: str, metrics: Sequence[MetricOfEntry]) -> list[Row]:
    """Return the built-in methods' rows on a benchmark, for the metrics that were computed with the same settings."""
    return [
        row
        for entry in published_entries()
        if entry.dataset.name == name
        for row in rows_of(entry)
        if any(metric in entry.metrics for metric in metrics if metric.name == row.metric)
    ]


def beside(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Return, for each metric, the rows of other methods that have all variants in `rows`."""
    variants = list(dict.fromkeys(row.variant for row in rows))
    taken = {row.method for row in rows}
    found = {(row.metric, row.method, row.variant): row for row in others if row.method not in taken}
    chosen = []
    for metric in dict.fromkeys(row.metric for row in rows):
        for method in dict.fromkeys(method for other, method, _ in found if other == metric):
            cells = [(metric, method, variant) for variant in variants]
            chosen += [found[cell] for cell in cells] if all(cell in found for cell in cells) else []
    return chosen
