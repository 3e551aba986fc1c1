"""What comes with the package of the published study of mini: recipes of its files, and its table."""

import csv
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from perturb.benchmark.recipe import read_recipe
from perturb.benchmark.schema import RECIPE
from perturb.datasets.benchmark_file import BenchmarkFile
from perturb.evaluation.entry import Entry
from perturb.evaluation.entry_rules import Known, KnownFile, read_entry
from perturb.evaluation.statistics import Row

MINI = "mini"
"""The benchmark whose files come with the package, as recipes."""
TEXT = ("method", "variant", "metric")
COUNTS = ("n", "failed", "over_pruned", "pairs", "draws")
TOLD = {field.name for field in fields(Row)} - {"by_draw"}
"""Columns of a table that make a row; older tables have fewer."""


def published_folder() -> Path:
    """Recipes, weights, table.csv and, where the study has written them, entries/*.json."""
    return Path(str(files("perturb.outside") / "published"))


def recipes() -> dict[str, Path]:
    """Recipes of mini's files by variant."""
    return {path.name.removesuffix(RECIPE): path for path in sorted(published_folder().glob(f"*{RECIPE}"))}


def recipe_hash(file: BenchmarkFile) -> str | None:
    """SHA-256 of the recipe that a benchmark file carries."""
    text = str(file.attributes.get("recipe", ""))
    return sha256(text.encode()).hexdigest() if text else None


@cache
def known_files() -> Known:
    """Every published file whose hash comes with the package."""
    published = {variant: read_recipe(path) for variant, path in recipes().items()}
    return {
        MINI: {
            variant: KnownFile(found.images_sha256, sha256(found.recipe.model_dump_json().encode()).hexdigest())
            for variant, found in published.items()
        }
    }


def published_entries(name: str) -> list[Entry]:
    """The built-in methods' entries of a benchmark."""
    found = [read_entry(path, known_files()) for path in sorted((published_folder() / "entries").glob("*.json"))]
    return [entry for entry in found if entry.dataset.name == name]


def published_rows(name: str) -> list[Row]:
    """The built-in methods' rows of a benchmark: of its entries, else of its table."""
    from perturb.evaluation.entry import rows_of

    if entries := published_entries(name):
        return [row for entry in entries for row in rows_of(entry)]
    table = published_folder() / "table.csv"
    return rows_in(table) if name == MINI and table.is_file() else []


def rows_in(table: Path) -> list[Row]:
    """Rows as `as_csv` wrote them."""
    with table.open(newline="", encoding="utf-8") as file:
        return [
            Row(**{name: _value(name, text) for name, text in line.items() if name in TOLD}) for line in csv.DictReader(file)
        ]


def _value(name: str, text: str) -> str | float | int | None:
    if name in TEXT:
        return text
    return None if text == "" else int(text) if name in COUNTS else float(text)


def beside(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Rows of other methods, of each metric those of the methods that have all variants which some rows have."""
    variants = list(dict.fromkeys(row.variant for row in rows))
    taken = {row.method for row in rows}
    found = {(row.metric, row.method, row.variant): row for row in others if row.method not in taken}
    chosen = []
    for metric in dict.fromkeys(row.metric for row in rows):
        for method in dict.fromkeys(method for other, method, _ in found if other == metric):
            cells = [(metric, method, variant) for variant in variants]
            chosen += [found[cell] for cell in cells] if all(cell in found for cell in cells) else []
    return chosen
