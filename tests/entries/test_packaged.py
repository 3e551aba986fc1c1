"""The package ships with recipes, weights and entries."""

import tomllib
from pathlib import Path

import pytest
from made_scores import made_scores
from small_entries import made_entry

from perturb.entries import packaged
from perturb.entries.entry import rows_of, write_entry
from perturb.entries.rules import reasons_against
from perturb.external.benchmarks import Benchmark
from perturb.external.result import rows_beside
from perturb.files import write_json
from perturb.statistics.scores import Row, summarise
from perturb.variants import VariantPattern

ROOT = Path(__file__).parent.parent.parent
PUBLISHED = ROOT / "artifacts" / "published"
PATTERNS = {"mini": 3, "dsprites": 3, "shapes3d": 5}


def _rows(method: str, *variants: str) -> list[Row]:
    scores = [score for variant in variants for score in made_scores(method, variant, 0.5, 0.4)]
    return summarise(scores, ["mig"])


@pytest.mark.parametrize("benchmark", [name for name in packaged.BENCHMARKS if packaged.recipes(name)])
def test_everything_a_benchmark_is_built_from_is_declared_as_package_data(benchmark: str) -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    declared = {path for pattern in data["perturb.entries.published"] for path in PUBLISHED.glob(pattern)}
    folder, index = packaged.published_folder(benchmark), packaged.published_index(benchmark)
    recipes = packaged.recipes(benchmark)
    assert {f"{benchmark}-{column.name}" for column in recipes} == {entry.name for entry in index.entries}
    parts = {folder / part.file for entry in index.entries for part in entry.recipe}
    assert set(recipes.values()) <= parts
    assert parts | set((folder / "entries").iterdir()) | {folder / "index.json"} <= declared


@pytest.mark.parametrize("benchmark", [name for name in packaged.BENCHMARKS if packaged.recipes(name)])
def test_a_benchmark_has_as_many_trained_patterns_as_untrained_controls(benchmark: str) -> None:
    patterns = [column for column in packaged.recipes(benchmark) if column.variant in ("modified", "untrained")]
    expected = [VariantPattern(name, draw) for name in ("modified", "untrained") for draw in range(PATTERNS[benchmark])]
    assert sorted(patterns) == expected


def test_models_of_other_libraries_ship_with_the_package_and_follow_the_studies_methods() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert f"{packaged.BUILT_IN}/*.json" in data["perturb.entries.published"]
    last = packaged.published_entries()[-2:]
    assert [(entry.model, entry.how, entry.sees) for entry in last] == [(n, "fit", "images") for n in ("FastICA", "PCA")]
    met, known = [
        {(file.variant, file.draw, file.recipe_sha256) for file in files}
        for files in ([file for entry in last for file in entry.dataset.files], packaged.known_files()["mini"])
    ]
    assert met <= known


def test_published_methods_are_compared_if_they_have_all_variants_and_another_name() -> None:
    own = _rows("Mine", "original", "noise")
    others = [*_rows("A", "original", "modified", "noise"), *_rows("B", "original"), *_rows("Mine", "original", "noise")]
    assert [(row.method, row.variant) for row in packaged.beside(own, others)] == [("A", "original"), ("A", "noise")]


@pytest.fixture
def only_discs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that ships only the entry of one method on discs."""
    monkeypatch.setattr(packaged, "published_folder", lambda benchmark: tmp_path / benchmark)
    write_entry(tmp_path / "mini" / "entries" / "a.json", made_entry("A"))


def test_a_further_study_on_another_machine_does_not_change_what_the_published_files_are(
    tmp_path: Path, only_discs: None
) -> None:
    own = made_entry("A")
    rounded = [file.model_copy(update={"images_sha256": "f" * 64}) for file in own.dataset.files]
    dataset = own.dataset.model_copy(update={"files": tuple(rounded)})
    path = tmp_path / packaged.STUDIES[-1] / "entries" / "b.json"
    write_entry(path, own.model_copy(update={"model": "B", "dataset": dataset}))
    assert {entry.model for entry in packaged.published_entries()} == {"A", "B"}
    assert packaged.known_files() == {"discs": own.dataset.files}


def test_published_methods_are_compared_by_their_entries(only_discs: None) -> None:
    entry = made_entry("A")
    assert packaged.published_rows("discs", entry.metrics) == rows_of(entry)
    assert packaged.published_rows("mini", entry.metrics) == []


def test_a_score_with_other_metric_settings_is_not_compared(only_discs: None) -> None:
    (mig,) = made_entry("A").metrics
    assert packaged.published_rows("discs", [mig.model_copy(update={"settings": mig.settings | {"num_bins": 21}})]) == []


def test_the_methods_of_a_run_are_compared_with_a_model_on_its_files(tmp_path: Path) -> None:
    rows, metrics = _rows("A", "original", "modified"), made_entry().metrics
    results = {"rows": [row.as_json() for row in rows], "metrics": {"mig": metrics[0].settings}}
    write_json(tmp_path / "results.json", results)
    found = Benchmark("mini, own files", {}, tmp_path / "results.json")
    assert rows_beside(found, metrics) == rows
    assert rows_beside(found, [metrics[0].model_copy(update={"settings": {}})]) == []
    assert rows_beside(Benchmark("mini, own files", {}), metrics) == []


def test_the_studies_methods_and_files_ship_with_the_package() -> None:
    methods = {(entry.dataset.name, entry.model) for entry in packaged.published_entries()}
    assert {("mini", name) for name in ("AE", "β-VAE", "FactorVAE", "β-TC-VAE", "SlowVAE", "PCL")} <= methods
    assert {("dsprites", "β-VAE"), ("shapes3d", "β-VAE"), ("shapes3d", "PCL (conv.)"), ("shapes3d", "β-TC-VAE")} <= methods
    assert {("mini", name) for name in ("PCA", "FastICA")} <= methods
    for entry in packaged.published_entries():
        assert reasons_against(entry, packaged.known_files()) == []
