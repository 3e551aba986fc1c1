"""Several tries of m_ψ, of which the one with the lowest predicted MIG is taken."""

from pathlib import Path

import numpy as np

from perturb.config import ExperimentConfig
from perturb.config.loading import config_hash
from perturb.datasets import Mini
from perturb.experiment.plan import plan_experiment
from perturb.experiment.stages import STAGES
from perturb.experiment.stages import perturbation as stage
from perturb.perturbation.saved_networks import PatternResult, load_network
from perturb.runs import Store
from perturb.variants import VariantPattern

MODIFIED = VariantPattern("modified")


def _with(config: ExperimentConfig, tries: int) -> ExperimentConfig:
    return config.model_copy(update={"perturbation": config.perturbation.model_copy(update={"tries": tries})})


def _built(config: ExperimentConfig, artifacts: Path) -> tuple[PatternResult, np.ndarray]:
    """The result of the first pattern, and its scalar's weights."""
    store, spec = Store(artifacts, STAGES), plan_experiment(config).patterns[MODIFIED]
    store.ensure(spec)
    weights = load_network(store.path(spec), Mini()).state_dict()
    return store.result(spec, PatternResult), np.concatenate([value.double().numpy().ravel() for value in weights.values()])


def test_one_try_is_what_it_was(tiny: ExperimentConfig, begun: Path) -> None:
    assert config_hash(_with(tiny, 1)) == config_hash(tiny)
    assert _built(tiny, begun)[0].predicted == ()


def test_the_try_with_the_lowest_prediction_is_taken(tiny: ExperimentConfig, begun: Path) -> None:
    alone = _built(tiny, begun)
    result, weights = _built(_with(tiny, 3), begun)
    assert len(set(result.predicted)) == 3
    assert all(0 <= mig <= 1 for mig in result.predicted)
    first = int(np.argmin(result.predicted)) == 0
    assert np.array_equal(weights, alone[1]) == first
    assert (result.pattern == alone[0].pattern) == first


def test_the_first_try_is_the_same_alone_and_among_others(tiny: ExperimentConfig, begun: Path, monkeypatch) -> None:
    alone = _built(tiny, begun)
    monkeypatch.setattr(stage, "_predicted", lambda *_: (0.1, 0.2))
    result, weights = _built(_with(tiny, 2), begun)
    assert np.array_equal(weights, alone[1])
    assert result.predicted == (0.1, 0.2)
    assert result.pattern == alone[0].pattern
