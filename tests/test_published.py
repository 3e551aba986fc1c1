"""The published files can be used and match the configs."""

import csv
import re
from pathlib import Path

import pytest

from perturb.benchmark.compare import compare
from perturb.benchmark.recipe import build, read_recipe
from perturb.benchmark.verify import verify_file
from perturb.config import load_experiment, with_methods
from perturb.config.loading import config_hash
from perturb.distribution.index import parse_index
from perturb.entries.entry import rows_of
from perturb.entries.packaged import known_files
from perturb.entries.rules import read_entry
from perturb.experiment.plan import plan_experiment
from perturb.files import sha256_of

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / "artifacts" / "published"
QUICKSTART = PUBLISHED / "quickstart"
STUDY = PUBLISHED / "mini"
SHOWN = "original", "modified", "untrained", "untrained_in_span", "noise"
"""Variants in the tables, by column."""


@pytest.mark.parametrize("variant", ["original", "modified", "untrained"])
def test_the_files_of_the_quickstart_can_be_rebuilt_from_their_recipes(variant: str, tmp_path: Path) -> None:
    recipe = QUICKSTART / f"{variant}.recipe.json"
    same = build(recipe, tmp_path / "built.h5")
    # Networks round differently on other machines.
    assert same or variant in ("modified", "untrained")
    assert verify_file(tmp_path / "built.h5").images == 4096
    assert read_recipe(recipe).sha256 in (QUICKSTART / "table.md").read_text(encoding="utf-8")
    if variant != "original":
        build(QUICKSTART / "original.recipe.json", tmp_path / "original.h5")
        assert compare(tmp_path / "original.h5", tmp_path / "built.h5").largest == 51


@pytest.mark.parametrize("name", sorted(index.parent.name for index in PUBLISHED.glob("*/index.json")))
def test_every_published_file_is_indexed_with_its_hash_and_matches_the_current_config(name: str) -> None:
    folder = PUBLISHED / name
    index = parse_index((folder / "index.json").read_bytes(), name)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"index.json"}
    assert set(index.files) == there
    assert all(sha256_of(folder / file) == listed.sha256 for file, listed in index.files.items())
    assert sum(listed.bytes for listed in index.files.values()) < 20e6
    for entry in index.entries:
        published = read_recipe(folder / entry.recipe[0].file)
        made = (published.sha256, published.recipe.epsilon, published.recipe.variant)
        assert (entry.sha256, entry.epsilon, entry.variant) == made
    assert index.origin is not None
    config, options = r"configs/(\w+)\.toml", r"(?: --no-prefect)?(?: --methods '([^']+)')?(?: --patterns [03])?"
    command = re.fullmatch(
        rf"perturb (?:run|study) {config}{options} --publish artifacts/published/{name}", index.origin.command
    )
    assert command is not None
    assert name.startswith(command[1]) if command[2] else command[1] in (name, f"{name}_short")
    experiment = load_experiment(ROOT / "configs" / f"{command[1]}.toml")
    experiment = with_methods(experiment, command[2].split(",")) if command[2] else experiment
    assert index.origin.config_hash in (folder / "table.md").read_text(encoding="utf-8")
    assert index.origin.config_hash == config_hash(plan_experiment(experiment).config)


def test_the_table_over_epsilon_matches_the_current_configs() -> None:
    made_of = (PUBLISHED / "mini_epsilon" / "epsilon.md").read_text(encoding="utf-8")
    changes = [("mini_epsilon", [f"perturbation.epsilon={epsilon}"]) for epsilon in (0.06, 0.125, 0.175)]
    for name, changed in [*changes, ("mini", [])]:
        assert config_hash(load_experiment(ROOT / "configs" / f"{name}.toml", changed)) in made_of


def test_the_studys_entries_are_valid_and_reproduce_its_table() -> None:
    table = {(line["method"], line["variant"], line["metric"]): line for line in _rows()}
    entries = [read_entry(path, known_files()) for path in sorted((STUDY / "entries").glob("*.json"))]
    rows = [row for entry in entries for row in rows_of(entry)]
    assert {(row.method, row.variant, row.metric) for row in rows} == set(table)
    for row in rows:
        line = table[row.method, row.variant, row.metric]
        assert (row.mean, row.std) == pytest.approx((float(line["mean"]), float(line["std"])))
        if row.ci_low is not None:
            assert (row.ci_low, row.ci_high) == pytest.approx((float(line["ci_low"]), float(line["ci_high"])))


def test_the_readmes_table_has_the_numbers_of_the_studies_that_it_links() -> None:
    shown = 0
    for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines():
        if study := re.match(r"\| (.*)\[every number\]\(artifacts/published/(\w+)/table\.md\)\)? \|(.*)\|$", line):
            name = {"PCL": "PCL (conv.)", "β-TC-VAE": "β-TC-VAE"}.get(study[1].partition(",")[0], "β-VAE")
            means = _means(PUBLISHED / study[2], name)
            assert [cell.strip(" *") for cell in study[3].split("|")] == [means[variant] for variant in SHOWN[:3]], line
            shown += 1
    assert shown == 5


def test_the_table_of_results_on_mini_is_the_studys() -> None:
    shown, text = 0, (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for line in text[text.index("\n## mini") :].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and all(" ± " in cell for cell in cells[1:]):
            means = _means(STUDY, cells[0])
            assert cells[1:] == [means[variant] for variant in SHOWN]
            shown += 1
    assert shown == 6


def _means(study: Path, method: str) -> dict[str, str]:
    """Mean and standard deviation of a method's MIG, by variant, as tables show them."""
    found = [row for row in _rows(study) if (row["method"], row["metric"]) == (method, "mig")]
    return {row["variant"]: f"{float(row['mean']):.2f} ± {float(row['std']):.2f}" for row in found}


@pytest.mark.parametrize("pattern", ["modified-3", "untrained-2", "noise"])
def test_further_patterns_can_be_rebuilt_from_their_recipes(pattern: str, tmp_path: Path) -> None:
    build(STUDY / f"{pattern}.recipe.json", tmp_path / "built.h5")
    assert verify_file(tmp_path / "built.h5").images == 4096


def _rows(study: Path = STUDY) -> list[dict[str, str]]:
    with (study / "table.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
