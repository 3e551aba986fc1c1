"""The configs for a laptop differ from the thesis's settings only in what is declared here."""

from pathlib import Path
from typing import Any

import pytest

from perturb.config import ExperimentConfig, load_experiment
from perturb.experiment.plan import plan_experiment

CONFIGS = Path(__file__).parents[2] / "configs"
TRAINING = {f"training.{field}" for field in ("steps", "learning_rate", "checkpoint_every", "precision")}
PATTERN = {
    f"perturbation.{field}"
    for field in ("form", "steps", "learning_rate", "generator", "spread", "coverage", "tries", "alignment.price")
}
SIZE = {
    "restarts.num", "selection.keep", "selection.max_unit_variance", "collapse.action", "collapse.min_factors",
    "metrics.dci.num_train", "metrics.dci.num_test", "metrics.dci.trees", "evaluation.seeds", "evaluation.draws",
    "evaluation.draws.modified", "evaluation.draws.untrained", "evaluation.variants", "search.factors", "search.seeds",
    "search.more_metrics", "readout.seeds", "readout.steps",
}  # fmt: skip
DECLARED = TRAINING | PATTERN | SIZE
FALLING = {
    "dsprites": {f"restarts.objective.{field}" for field in ("kind", "first_beta", "hold", "fall")},
    "shapes3d": set(),
}
"""Settings of the restarts that also differ where their β falls."""


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {path: leaf for key, inner in value.items() for path, leaf in _flat(inner, f"{prefix}.{key}".lstrip(".")).items()}


def _settings(config: ExperimentConfig) -> dict[str, Any]:
    """Every setting by its dotted path, without methods and alternatives."""
    whole = config.model_dump(mode="json")
    del whole["evaluation"]["methods"], whole["alternatives"]
    return _flat(whole)


@pytest.fixture(params=["dsprites", "shapes3d"])
def pair(request: pytest.FixtureRequest) -> tuple[ExperimentConfig, ExperimentConfig]:
    """The config with the thesis's settings and the short one."""
    name = request.param
    return load_experiment(CONFIGS / f"{name}.toml"), load_experiment(CONFIGS / f"{name}_short.toml")


def test_only_declared_settings_differ_from_the_thesis(pair: tuple[ExperimentConfig, ExperimentConfig]) -> None:
    thesis, short = map(_settings, pair)
    differing = {path for path in thesis | short if thesis.get(path) != short.get(path)}
    for section in ("search", "readout"):
        if getattr(pair[1], section) is None:
            differing = {path for path in differing if not path.startswith(section)}
    assert differing <= DECLARED | FALLING[pair[0].name]
    assert {"training.steps", "perturbation.form", "evaluation.seeds"} <= differing


def test_the_short_configs_use_the_thesis_methods_and_hyperparameters(
    pair: tuple[ExperimentConfig, ExperimentConfig],
) -> None:
    thesis, short = ({method.name: method.objective for method in config.evaluation.methods} for config in pair)
    assert set(short) <= set(thesis)
    falling = short["β-VAE"]
    if pair[1].restarts.objective.kind == "falling_beta_vae":
        assert falling == pair[1].restarts.objective
        assert falling.beta == thesis["β-VAE"].beta, "β must end at the thesis's value"
        thesis = thesis | {"β-VAE": falling}
    assert {name: thesis[name] for name in short} == short
    for method in pair[1].evaluation.methods:
        pairs = pair[1].training.model_copy(update={"batch_size": 128})
        assert method.training == (pairs if method.objective.kind == "pcl" else None), "PCL has 64 pairs"


def test_longer_trainings_on_shapes3d_reuse_the_files_of_the_short_ones() -> None:
    short, longer = (plan_experiment(load_experiment(CONFIGS / f"shapes3d_{kind}.toml")) for kind in ("short", "longer"))
    for runs in ("files", "predictions"):
        ids = [{column: spec.id for column, spec in getattr(plan, runs).items()} for plan in (short, longer)]
        assert ids[0] == ids[1]
    trainings = [{run.inputs["restart"].id for run in plan.evaluations.values()} for plan in (short, longer)]
    assert not trainings[0] & trainings[1]


def test_longer_trainings_on_dsprites_differ_in_steps_precision_and_size() -> None:
    short, longer = (_settings(load_experiment(CONFIGS / f"dsprites_{kind}.toml")) for kind in ("short", "longer"))
    differing = {path for path in short | longer if short.get(path) != longer.get(path)}
    evaluation = {f"evaluation.{field}" for field in ("seeds", "draws.modified", "draws.untrained", "variants")}
    assert differing == {"name", "training.steps", "training.checkpoint_every", "training.precision"} | evaluation


@pytest.mark.parametrize("dataset", ["shapes3d", "dsprites"])
def test_learning_rate_times_steps_of_the_longer_trainings_equals_the_thesis_value(dataset: str) -> None:
    longer = load_experiment(CONFIGS / f"{dataset}_longer.toml")
    thesis = load_experiment(CONFIGS / f"{dataset}.toml").training
    (method,) = longer.evaluation.methods
    training = method.training or longer.training
    assert training.learning_rate * training.steps == pytest.approx(thesis.learning_rate * thesis.steps)
