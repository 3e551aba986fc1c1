"""An experiment with every part of a study: several patterns, an alternative m_ψ, a line search and a readout."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from perturb.benchmark.recipe import build
from perturb.config import ExperimentConfig, MetricsConfig, PublishedConfig, load_experiment, scaled_down
from perturb.datasets import grid_of
from perturb.distribution.index import parse_index
from perturb.entries.rules import read_entry
from perturb.errors import UserError
from perturb.experiment.plan import plan_experiment
from perturb.experiment.stages import STAGES
from perturb.files import sha256_of
from perturb.runs import Store
from perturb.variants import CONTROLS, VariantPattern

STUDY = """
[alternatives.literal]
form = "literal"
epsilon = 0.175
steps = 2
batch_size = 4
normalise_scalar = true

[search]
factors = [1.0, 2.0]
seeds = 2
more_metrics = ["sap"]

[readout]
seeds = 1
steps = 3
batch_size = 8
"""
FIGURES = {"images", "mig", "perturbation", "scalar", "histogram", "mig_by_factor", "search", "search_sap", "planes"}
FIGURES |= {"latents_disentangled", "latents_entangled", "curves"}


@pytest.fixture(scope="module")
def study_toml(tmp_path_factory: pytest.TempPathFactory, tiny_text: str) -> Path:
    """The tiny experiment with all parts of a study, as a file."""
    path = tmp_path_factory.mktemp("study") / "study.toml"
    text = tiny_text.replace('"noise", "untrained"]', '"literal", "noise", "untrained"]\ndraws = 2')
    path.write_text(text + STUDY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def study(study_toml: Path) -> ExperimentConfig:
    """The config of that study."""
    return load_experiment(study_toml)


@pytest.fixture(scope="module")
def published(study_toml: Path, finished: tuple[Path, Path]) -> Path:
    """The folder published by one run from the command line, which reuses the runs of the tiny experiment."""
    folder = study_toml.parent
    shutil.copytree(finished[1] / "runs", folder / "artifacts" / "runs", copy_function=os.link)
    subprocess.run(
        [sys.executable, "-c", "from perturb.cli import main; main()", "study", str(study_toml), "--no-prefect",
         "--artifacts", str(folder / "artifacts"), "--workers", "2", "--publish", str(folder / "published")],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    return folder / "published"


def test_each_seed_is_trained_on_one_pattern_of_each_variant(study: ExperimentConfig) -> None:
    plan = plan_experiment(study)
    met = {(column, seed) for method, column, seed in plan.evaluations if method == "AE"}
    assert {(column.name, seed) for column, seed in met} == {
        ("original", 0), ("original", 1), ("noise", 0), ("noise", 1), ("modified", 0), ("modified-2", 1),
        ("literal", 0), ("literal-2", 1), ("untrained", 0), ("untrained-2", 1),
    }  # fmt: skip


def test_published_alternatives_replace_their_training_too(study: ExperimentConfig, published: Path) -> None:
    place = PublishedConfig(folder=published)
    plan = plan_experiment(study.model_copy(update={"published": place}))
    assert not plan.networks.restarts
    assert {spec.kind for spec in plan.networks.patterns.values()} == {"published"}
    assert plan.networks.patterns[VariantPattern("literal", 1)].config.perturbation == study.alternatives["literal"]
    other = {"literal": study.alternatives["literal"].model_copy(update={"steps": 3})}
    with pytest.raises(UserError, match=r"alternatives\.literal\.steps must be 2, with which the published patterns"):
        plan_experiment(study.model_copy(update={"published": place, "alternatives": other}))


def test_patterns_differ_in_their_seed_and_the_first_one_is_independent_of_their_number(study: ExperimentConfig) -> None:
    plan = plan_experiment(study)
    single = plan_experiment(study.model_copy(update={"evaluation": study.evaluation.model_copy(update={"draws": 1})}))
    for variant in ("modified", "literal"):
        first, second = (plan.networks.patterns[VariantPattern(variant, draw)] for draw in (0, 1))
        assert first.id == single.networks.patterns[VariantPattern(variant)].id != second.id
        assert first.family == second.family
    assert plan.networks.patterns[VariantPattern("literal")].config.perturbation.form == "literal"
    untrained = plan.files[VariantPattern("untrained", 1)].inputs["network"]
    assert untrained.inputs["perturbation"] is plan.networks.patterns[VariantPattern("modified", 1)]


def test_controls_redraw_the_same_parts_for_each_pattern_and_noise_is_matched_to_it(study: ExperimentConfig) -> None:
    variants = ("original", "modified", *CONTROLS, "matched_noise")
    plan = plan_experiment(
        study.model_copy(update={"evaluation": study.evaluation.model_copy(update={"variants": variants})})
    )
    for draw in (0, 1):
        controls = [plan.networks.controls[VariantPattern(variant, draw)] for variant in CONTROLS]
        assert [spec.config.redraw for spec in controls] == ["both", "curve", "scalar", "both", "curve"]
        assert [spec.config.in_span for spec in controls] == [False, False, False, True, True]
        assert len({spec.id for spec in controls}) == len(controls)
        assert len({spec.config.seed for spec in controls}) == 1
        assert {spec.inputs["perturbation"].id for spec in controls} == {
            plan.networks.patterns[VariantPattern("modified", draw)].id
        }
        noise = plan.files[VariantPattern("matched_noise", draw)]
        assert noise.inputs["matched"] is plan.networks.patterns[VariantPattern("modified", draw)]
    assert plan.files[VariantPattern("matched_noise", 0)].config.seed != noise.config.seed


@pytest.mark.slow
def test_seeds_with_different_patterns_train_the_same_model_alone_and_stacked(
    study: ExperimentConfig, published: Path, tmp_path: Path
) -> None:
    """Seed k gives the same model alone and stacked, however many restarts are stacked."""
    alone, plan = Store(published.parent / "artifacts", STAGES), plan_experiment(study)
    shutil.copytree(alone.root / "runs", tmp_path / "runs", ignore=shutil.ignore_patterns("restart-*", "scores-*"))
    stacked = Store(tmp_path, STAGES, stack=8)
    trainings = [plan.evaluations["AE", VariantPattern("modified", k), k].inputs["restart"] for k in range(2)]
    stacked.ensure_all(trainings)
    for spec in trainings:
        one, other = (load_file(store.path(spec) / "weights.safetensors") for store in (alone, stacked))
        for name in one:
            assert torch.allclose(one[name], other[name], atol=1e-5), name


def test_the_line_search_scales_primary_parameters_and_reuses_the_evaluations_trainings(study: ExperimentConfig) -> None:
    plan = plan_experiment(study)
    assert {method for method, *_ in plan.search} == {"β-VAE"}
    for (method, factor, column, seed), spec in plan.search.items():
        evaluated = plan.evaluations[method, column, seed].inputs["restart"]
        trained = spec.inputs["restart"]
        assert trained.config.objective.beta == 4.0 * factor
        assert (trained.id == evaluated.id) == (factor == 1)
        assert trained.config.seed == evaluated.config.seed


def test_a_budget_scales_patterns_search_and_readout(study: ExperimentConfig) -> None:
    large = study.model_copy(update={"evaluation": study.evaluation.model_copy(update={"seeds": 40, "draws": 20})})
    small = scaled_down(large, 0.1)
    assert (small.evaluation.seeds, small.evaluation.draws) == (4, 2)
    assert (small.alternatives["literal"].steps, small.readout.steps, small.search.seeds) == (1, 1, 2)
    assert small.search.factors == (1.0,)
    draws = {"modified": 40, "literal": 10}
    uneven = large.model_copy(update={"evaluation": large.evaluation.model_copy(update={"draws": draws})})
    assert scaled_down(uneven, 0.1).evaluation.draws == {"modified": 4, "literal": 1}


def test_variants_may_have_different_numbers_of_patterns(study_toml: Path) -> None:
    text = study_toml.read_text(encoding="utf-8")
    path = study_toml.with_name("uneven.toml")
    path.write_text(text.replace("draws = 2", "draws = { modified = 2, untrained = 2 }"), encoding="utf-8")
    plan = plan_experiment(load_experiment(path))
    counts = {variant: sum(column.variant == variant for column in plan.files) for variant in ("modified", "literal")}
    assert counts == {"modified": 2, "literal": 1}
    met = {(column.variant, column.pattern) for _, column, seed in plan.evaluations if seed == 1}
    assert met >= {("modified", 1), ("untrained", 1), ("literal", 0)}


def test_a_slow_method_may_have_fewer_seeds(study: ExperimentConfig) -> None:
    first, second = study.evaluation.methods
    methods = first.model_copy(update={"seeds": 3}), second
    large = study.model_copy(update={"evaluation": study.evaluation.model_copy(update={"seeds": 20, "methods": methods})})
    for config, found in (
        (large, {first.name: 3, second.name: 20}),
        (scaled_down(large, 0.1), {first.name: 2, second.name: 2}),
    ):
        plan = plan_experiment(config)
        on_noise = [method for method, column, _ in plan.evaluations if column.variant == "noise"]
        assert {name: on_noise.count(name) for name in found} == found
    alike = large.model_copy(update={"evaluation": large.evaluation.model_copy(update={"methods": (first, second)})})
    every = plan_experiment(alike).evaluations
    assert all(every[key].id == spec.id for key, spec in plan_experiment(large).evaluations.items())


def test_estimated_costs_rank_methods_by_effort_and_fast_metrics_below_exact_ones() -> None:
    mini = load_experiment(Path(__file__).parents[2] / "configs" / "mini.toml")
    exact = plan_experiment(mini.model_copy(update={"metrics": MetricsConfig()})).evaluations
    fast, column = plan_experiment(mini).evaluations, VariantPattern("original")
    trainings = {method: fast[method, column, 0].inputs["restart"].cost for method in ("β-VAE", "FactorVAE", "PCL")}
    assert trainings["PCL"] < trainings["β-VAE"] < trainings["FactorVAE"]
    assert fast["AE", column, 0].cost < exact["AE", column, 0].cost / 10


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"literal", "noise"', '"other", "noise"', "evaluation.variants must be among original, modified, noise, "
         "matched_noise, untrained, redrawn_curve, redrawn_scalar, untrained_in_span, redrawn_curve_in_span, literal; got "),
        ("draws = 2", "draws = 3", "evaluation.draws must be at most evaluation.seeds = 2, because each seed uses one "),
        ('name = "AE"', 'name = "AE"\nseeds = 3', "evaluation.methods: AE has 3 seeds, which must be at most evalu"),
        ("draws = 2", "draws = { literal = 3 }", "evaluation.draws.literal must be at most evaluation.seeds = 2"),
        ("draws = 2", "draws = { untrained = 2 }", "evaluation.draws.untrained must be at most that of modified = 1"),
        ("draws = 2", "draws = { noise = 2 }", "evaluation.draws must name some of modified, matched_noise, untrained, "),
        ("[alternatives.literal]", "[alternatives.noise]", "alternatives must have names of their own; taken: noise"),
        ("factors = [1.0, 2.0]", 'variants = ["original", "blurred"]', "search.variants must be among original, modified, "),
    ],
    ids=["variant", "draws", "seeds", "literal", "untrained", "noise", "name", "search"],
)  # fmt: skip
def test_inconsistent_study_settings_are_refused_with_the_reason(
    study_toml: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = study_toml.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(message)):
        load_experiment(path)


@pytest.mark.slow
def test_every_published_file_is_listed_with_its_hash_and_the_command_that_made_it(published: Path) -> None:
    index = parse_index((published / "index.json").read_bytes(), "index.json")
    names = set(index.files)
    assert {f"{name}.png" for name in FIGURES} | {"report.html", "table.md", "table.csv"} <= names
    columns = {"original", "noise", *(f"{v}{d}" for v in ("modified", "literal", "untrained") for d in ("", "-2"))}
    assert {f"{column}.recipe.json" for column in columns} <= names
    assert names == {path.relative_to(published).as_posix() for path in published.rglob("*") if path.is_file()} - {
        "index.json"
    }
    assert all(sha256_of(published / name) == listed.sha256 for name, listed in index.files.items())
    command = f"perturb study {published.parent / 'study.toml'} --no-prefect --workers 2 --publish {published}"
    assert index.origin is not None
    assert {index.origin.command, *(made.command for made in index.others)} == {command}


@pytest.mark.slow
def test_published_patterns_can_be_rebuilt_from_their_recipes(published: Path, tmp_path: Path) -> None:
    assert build(published / "modified-2.recipe.json", tmp_path / "modified.h5")
    assert build(published / "literal.recipe.json", tmp_path / "literal.h5")


@pytest.mark.slow
def test_every_method_is_published_as_a_valid_entry(published: Path, study: ExperimentConfig) -> None:
    entries = {entry.model: entry for entry in map(read_entry, sorted((published / "entries").glob("*.json")), [{}, {}])}
    assert list(entries) == [method.name for method in study.evaluation.methods]
    found = {(run.variant, run.draw, run.seed) for run in entries["β-VAE"].runs}
    assert {("literal", 1, 1), ("untrained", 0, 0), ("original", 0, 1)} <= found
    assert {(file.variant, file.draw) for file in entries["AE"].dataset.files} >= {("modified", 0), ("modified", 1)}
    held = [run.factors for run in entries["β-VAE"].runs if run.scores is not None]
    assert all(factors and set(factors) == set(grid_of(study.dataset).names) for factors in held)


@pytest.mark.slow
def test_the_report_has_a_section_for_each_part_of_a_study(published: Path) -> None:
    page, table = ((published / name).read_text(encoding="utf-8") for name in ("report.html", "table.md"))
    parts = "What the perturbation did", "What became of the factors", "The factors are still there", "Latent traversals"
    others = "Primary contrasts", "Scores", "The images", "Differences", "Line search", "Training curves"
    for title in (*others, *parts):
        assert f"## {title}" in table
        assert title in page
    assert "thesis: " not in table
    assert "over the line search (as the thesis's Figure 4.4)." in table
    assert table.count("adjusted for the family by Holm's method") == 1
    assert "What training m_ψ adds" in table
    assert re.search(r"\| β-VAE, kl \|( [\d.,]+ ± [\d.,]+ \|){5}", table)
    assert "Independent patterns: 2 of modified, 2 of literal and 2 of untrained." in table
    results = json.loads((published.parent / "artifacts" / "results").glob("*/results.json").__next__().read_text())
    rows, contrasts = results["rows"], results["contrasts"]
    assert [(c["first"], c["second"]) for c in contrasts] == [("modified", "original"), ("modified", "untrained")]
    assert all(c["p_holm"] is None for c in contrasts)
    assert {row["draws"] for row in rows if row["variant"] == "literal"} == {2}
