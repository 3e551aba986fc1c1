"""The configs with the thesis's settings, which reproduce every table and figure of its section 4.3."""

from pathlib import Path

import pytest

from perturb.config import ExperimentConfig, load_experiment
from perturb.report.thesis import FIGURES

CONFIGS = Path(__file__).parents[2] / "configs"
PRIMARY = {
    "dsprites": {"beta_vae": 8, "factor_vae": 35, "beta_tc_vae": 6, "slow_vae": 1},
    "shapes3d": {"beta_vae": 32, "factor_vae": 7, "beta_tc_vae": 32, "slow_vae": 1},
}
"""Thesis Table 4.1."""
EPSILON = {"dsprites": 0.1, "shapes3d": 0.175}
THESIS_METHODS = {"autoencoder", "beta_vae", "factor_vae", "beta_tc_vae", "slow_vae", "pcl", "weakly_supervised_gan"}


@pytest.fixture(params=sorted(PRIMARY))
def paper(request: pytest.FixtureRequest) -> ExperimentConfig:
    """Each of the two configs."""
    return load_experiment(CONFIGS / f"{request.param}.toml")


def test_the_configs_have_the_methods_and_primary_hyperparameters_of_table_4_1(paper: ExperimentConfig) -> None:
    objectives = {method.objective.kind: method.objective for method in paper.evaluation.methods}
    assert set(objectives) == THESIS_METHODS
    found = {kind: getattr(objectives[kind], objectives[kind].primary) for kind in PRIMARY[paper.name]}
    assert found == PRIMARY[paper.name]
    assert paper.restarts.objective.beta == PRIMARY[paper.name]["beta_vae"]
    assert paper.perturbation.epsilon == EPSILON[paper.name]


def test_the_configs_compute_every_table_and_every_line_search(paper: ExperimentConfig) -> None:
    assert set(paper.evaluation.metrics) == set(FIGURES)
    assert paper.search is not None
    assert set(paper.search.metrics) == set(FIGURES)
    assert (min(paper.search.factors), max(paper.search.factors), paper.search.seeds) == (0.75, 2.0, 10)
    assert paper.evaluation.variants[:3] == ("original", "modified", "noise")
    assert paper.evaluation.seeds == 10


def test_factor_vae_counts_steps_as_the_library_does(paper: ExperimentConfig) -> None:
    (factor_vae,) = (method for method in paper.evaluation.methods if method.objective.kind == "factor_vae")
    assert factor_vae.objective.steps_per_update == 2
    assert paper.training.steps == 300_000
