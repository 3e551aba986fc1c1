"""Experiments on published patterns, which train no restart and no m_ψ."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from perturb.benchmark.recipe import read_recipe
from perturb.benchmark.saved_files import FileResult
from perturb.config import ExperimentConfig, load_experiment, scaled_down, with_methods
from perturb.config.loading import config_hash
from perturb.entries.packaged import known_files
from perturb.entries.rules import read_entry, reasons_against
from perturb.errors import UserError
from perturb.experiment.plan import plan_experiment
from perturb.experiment.publish import publish_experiment
from perturb.experiment.stages import STAGES
from perturb.files import read_json, write_json
from perturb.manifests import run_file
from perturb.report.entries import _benchmark
from perturb.runs import Store
from perturb.variants import VariantPattern

CONFIGS = Path(__file__).parents[2] / "configs"
MODIFIED = VariantPattern("modified")
Load = Callable[..., ExperimentConfig]


@pytest.fixture(scope="module")
def folder(finished: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny experiment's published folder."""
    config, artifacts = finished
    plan = plan_experiment(load_experiment(config))
    published = tmp_path_factory.mktemp("published") / "tiny"
    publish_experiment(plan, Store(artifacts, STAGES), published, command="perturb run tiny.toml")
    return published


@pytest.fixture
def on(folder: Path, tiny_text: str, tmp_path: Path) -> Load:
    """Load the tiny experiment on the patterns of a folder, by default the published one, with changes."""

    def load(*changes: str, place: Path = folder) -> ExperimentConfig:
        path = tmp_path / "more.toml"
        path.write_text(tiny_text + f'\n[published]\nfolder = "{place}"\n', encoding="utf-8")
        return load_experiment(path, changes)

    return load


def test_methods_are_trained_on_the_published_images_without_restarts_or_an_own_network(
    on: Load, folder: Path, tmp_path: Path
) -> None:
    plan, store = plan_experiment(on("name=more")), Store(tmp_path / "artifacts", STAGES)
    assert {"restarts", "selection", "prediction"}.isdisjoint(stage.name for stage in plan.stages)
    store.ensure(plan.report)
    assert not list(store.root.glob("runs/perturbation-*"))
    for column, spec in plan.files.items():
        published = read_recipe(folder / f"{column.name}.recipe.json")
        made = read_recipe(run_file(store.path(spec), "*.recipe.json"))
        assert (made.recipe, made.images_sha256) == (published.recipe, published.images_sha256)
        assert store.result(spec, FileResult).files.keys() == {
            f"{column.variant}{end}" for end in (".h5", ".recipe.json", *([".safetensors"] if made.recipe.network else []))
        }
    page = run_file(store.path(plan.report), "report.html").read_text(encoding="utf-8")
    assert f"The patterns are published ones, those in the folder {folder.name}; no m_ψ was trained" in page
    assert "What the perturbation did" in page
    assert "Saved by turning" not in page
    assert "Latent traversals" not in page
    entries = [read_entry(path) for path in (store.path(plan.report) / "entries").glob("*.json")]
    assert {entry.dataset.name for entry in entries} == {"more"}, "a folder of one's own is no benchmark"


def test_patterns_have_the_statistics_that_they_had_where_they_were_trained(
    on: Load, finished: tuple[Path, Path], tmp_path: Path
) -> None:
    trained, there = plan_experiment(load_experiment(finished[0])), Store(finished[1], STAGES)
    plan, here = plan_experiment(on()), Store(tmp_path / "artifacts", STAGES)
    for kind in ("patterns", "controls"):
        for column, spec in getattr(plan.networks, kind).items():
            here.ensure(spec)
            old = read_json(there.path(getattr(trained.networks, kind)[column]) / "manifest.json")["result"]
            new = read_json(here.path(spec) / "manifest.json")["result"]
            for part in ("pattern", "scalar", "wanted"):
                assert new[part] == old[part], (column, part)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("evaluation.draws=2", "published has no pattern modified-2; lower evaluation.draws, or leave modified out"),
        ("perturbation.epsilon=0.1", "perturbation.epsilon must be 0.175, with which the published patterns were made"),
        ("perturbation.steps=3", r"\(modified.recipe.json\); got 3. Correct it, or remove \[published\]"),
        ("dataset.name=mini_closed", "must be of modified images of mini_closed; it is of modified images of mini"),
        ("published.benchmark=mini", "published must have either a benchmark, such as shapes3d, or a folder of recipes"),
        ("published.recipes.modified=other", "published.recipes must be those of .*, and modified, .* differ"),
    ],
)
def test_a_config_that_the_published_patterns_do_not_fit_is_refused(on: Load, change: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        plan_experiment(on(change))


def test_a_folder_without_recipes_is_refused_by_its_path(on: Load, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(f"{tmp_path / 'none'}: published.folder must be a folder that --pub")):
        plan_experiment(on(place=tmp_path / "none"))
    with pytest.raises(UserError, match=re.escape(f"{tmp_path / 'modified.recipe.json'}: there is no such recipe")):
        plan_experiment(on(place=tmp_path))


def test_a_recipe_that_changes_after_the_planning_is_not_used(on: Load, folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.glob("*.*"):
        (copy / path.name).write_bytes(path.read_bytes())
    plan = plan_experiment(on(place=copy))
    changed = read_json(copy / "modified.recipe.json")
    changed["recipe"]["run"] = "file-0000000000000000"
    write_json(copy / "modified.recipe.json", changed)
    with pytest.raises(UserError, match="is not the recipe that the experiment was planned with"):
        Store(tmp_path / "artifacts", STAGES).ensure(plan.networks.patterns[MODIFIED])


def test_a_relative_folder_is_relative_to_the_config(on: Load, folder: Path) -> None:
    shown = on(place=Path("results"))
    assert shown.published is not None
    assert shown.published.folder is not None
    assert shown.published.folder.name == "results"
    assert shown.published.folder.is_absolute()


def test_a_smaller_budget_keeps_the_patterns_that_were_made_with_all_steps(on: Load) -> None:
    small = scaled_down(on(), 0.5)
    assert small.training.steps < on().training.steps
    assert plan_experiment(small).networks.patterns.keys() == {MODIFIED}


@pytest.fixture
def on_mini() -> ExperimentConfig:
    """A short training of one method on the package's own patterns of mini."""
    changes = [
        'published.benchmark="mini"', "training.steps=5", "evaluation.seeds=2", "evaluation.draws=2",
        'evaluation.variants=["original", "modified", "noise"]', 'evaluation.metrics=["mig"]', "readout.seeds=1",
        "readout.steps=2", "readout.batch_size=8",
    ]  # fmt: skip
    return with_methods(load_experiment(CONFIGS / "mini.toml", changes), ["AE"])


def test_entries_on_a_published_benchmark_are_of_its_files_and_carry_its_name(
    on_mini: ExperimentConfig, tmp_path: Path
) -> None:
    plan, store = plan_experiment(on_mini), Store(tmp_path / "artifacts", STAGES)
    store.ensure(plan.report)
    (path,) = (store.path(plan.report) / "entries").glob("*.json")
    entry = read_entry(path, known_files())
    assert entry.dataset.name == "mini"
    assert reasons_against(entry, known_files()) == []


def test_entries_on_other_originals_carry_another_name(on_mini: ExperimentConfig, tmp_path: Path) -> None:
    other = on_mini.dataset.model_copy(update={"path": tmp_path / "other.h5"})
    assert _benchmark(on_mini.model_copy(update={"dataset": other})) == "mini, other originals"


def test_further_methods_on_shapes3d_have_its_published_files_and_the_studys_seeds() -> None:
    methods, study = (load_experiment(CONFIGS / f"{name}.toml") for name in ("shapes3d_methods", "shapes3d_short"))
    plan, own = plan_experiment(methods), plan_experiment(study)
    known = {VariantPattern(file.variant, file.draw): file.recipe_sha256 for file in known_files()["shapes3d"]}
    assert plan.config.published is not None
    assert plan.config.published.recipes == {column.name: sha256 for column, sha256 in known.items()}
    assert plan.files.keys() == known.keys()
    seeds = {(column, seed): spec.inputs["restart"].config.seed for (_, column, seed), spec in plan.evaluations.items()}
    assert seeds == {
        (column, seed): spec.inputs["restart"].config.seed for (_, column, seed), spec in own.evaluations.items()
    }
    assert str(Path.home()) not in plan.config.model_dump_json(), "the same on every machine"
    assert config_hash(plan.config) != config_hash(methods)
