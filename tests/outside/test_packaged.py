"""What the package brings with it."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from made_scores import made_scores

import perturb.outside
from perturb.evaluation.statistics import Row, summarise
from perturb.evaluation.tables import as_csv
from perturb.files import write_json
from perturb.outside import packaged
from perturb.outside.result import rows_beside
from perturb.outside.shelf import Benchmark

ROOT = Path(__file__).parent.parent.parent
ROOM = Path(perturb.outside.__file__).parent


def _rows(method: str, *variants: str) -> list[Row]:
    scores = [score for variant in variants for score in made_scores(method, variant, 0.5, 0.4)]
    return summarise(scores, ["mig"], resamples=100, seed=0)


def test_all_that_mini_is_made_of_is_declared_as_data_of_the_package() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["perturb.outside"]
    declared = {path for pattern in patterns for path in ROOM.glob(pattern)}
    recipes = set(packaged.recipes().values())
    assert {path.name for path in recipes} == {f"{v}.recipe.json" for v in ("original", "modified", "noise", "untrained")}
    weights = {path for path in packaged.published_folder().iterdir() if path.suffix == ".safetensors"}
    assert len(weights) == 2
    assert recipes | weights | {packaged.published_folder() / "table.csv", ROOM / "leaderboard.html.j2"} <= declared


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    rows = _rows("A", "original", "modified")
    (tmp_path / "table.csv").write_text(as_csv(rows), encoding="utf-8")
    assert packaged.rows_in(tmp_path / "table.csv") == [replace(row, by_draw=()) for row in rows]


def test_methods_stand_beside_that_have_all_variants_and_another_name() -> None:
    own = _rows("Mine", "original", "noise")
    others = [*_rows("A", "original", "modified", "noise"), *_rows("B", "original"), *_rows("Mine", "original", "noise")]
    assert [(row.method, row.variant) for row in packaged.beside(own, others)] == [("A", "original"), ("A", "noise")]


def test_entries_of_the_study_take_the_place_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from small_entries import made_entry

    from perturb.evaluation.entry import rows_of, write_entry

    monkeypatch.setattr(packaged, "published_folder", lambda: tmp_path)
    packaged.known_files.cache_clear()
    write_entry(tmp_path / "entries" / "a.json", made_entry("A"))
    assert packaged.published_rows("discs") == rows_of(made_entry("A"))
    assert packaged.published_rows("mini") == []
    packaged.known_files.cache_clear()


def test_the_methods_of_a_run_stand_beside_a_model_on_its_files(tmp_path: Path) -> None:
    rows = _rows("A", "original", "modified")
    write_json(tmp_path / "results.json", {"rows": [row.as_json() for row in rows]})
    assert rows_beside(Benchmark("mini, own files", {}, tmp_path / "results.json")) == rows
    assert rows_beside(Benchmark("mini, own files", {})) == []
