"""Tests of several tries of m_ψ: the try with the lowest MIG, predicted or from a trial training, is used."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from mini_images import mini_pixels
from pydantic import ValidationError

from perturb.config import ExperimentConfig, PerturbationConfig
from perturb.config.loading import config_hash
from perturb.datasets import Mini
from perturb.experiment.plan import plan_experiment
from perturb.experiment.stages import STAGES, trials
from perturb.experiment.stages import perturbation as stage
from perturb.files import read_json, write_json
from perturb.manifests import MANIFEST
from perturb.perturbation.moved import MovedPixels
from perturb.perturbation.saved_networks import PatternResult, load_network
from perturb.runs import Store
from perturb.variants import VariantPattern

MODIFIED = VariantPattern("modified")


def _with(config: ExperimentConfig, tries: int) -> ExperimentConfig:
    return config.model_copy(update={"perturbation": config.perturbation.model_copy(update={"tries": tries})})


def _built(config: ExperimentConfig, artifacts: Path) -> tuple[PatternResult, np.ndarray]:
    """The result of the first pattern and the weights of its network."""
    store, spec = Store(artifacts, STAGES), plan_experiment(config).networks.patterns[MODIFIED]
    store.ensure(spec)
    weights = load_network(store.path(spec), Mini()).state_dict()
    return store.result(spec, PatternResult), np.concatenate([value.double().numpy().ravel() for value in weights.values()])


def test_one_try_leaves_the_config_hash_unchanged_and_predicts_nothing(tiny: ExperimentConfig, begun: Path) -> None:
    assert config_hash(_with(tiny, 1)) == config_hash(tiny)
    assert _built(tiny, begun)[0].predicted == ()


def test_the_try_with_the_lowest_predicted_mig_is_taken(tiny: ExperimentConfig, begun: Path) -> None:
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


def _with_trials(config: ExperimentConfig, steps: int = 6) -> ExperimentConfig:
    changed = {"tries": 2, "trial_steps": steps}
    return config.model_copy(update={"perturbation": config.perturbation.model_copy(update=changed)})


def test_images_are_perturbed_as_in_the_published_file(finished: tuple[Path, Path]) -> None:
    for variant in ("modified", "untrained"):
        (file,) = (finished[1] / "runs").glob(f"file-*/{variant}.h5")
        run = finished[1] / "runs" / read_json(file.parent / MANIFEST)["inputs"]["network"]
        with h5py.File(file) as opened:
            expected, epsilon = opened["images"][:], float(opened.attrs["epsilon"])
        originals = mini_pixels()
        moved = MovedPixels(originals, load_network(run, Mini()), Mini.grid, epsilon=epsilon, bound="reflect")
        assert np.array_equal(moved.images(slice(None)), expected)
        numbers = np.array([[5, 4_000], [77, 5]])
        assert np.array_equal(moved.batch(torch.from_numpy(numbers)).numpy(), expected[numbers].astype(np.float32) / 255)
        assert moved.shape == expected.shape


def test_trials_are_the_migs_of_models_trained_on_each_try_for_controls_too(tiny: ExperimentConfig, begun: Path) -> None:
    store, plan = Store(begun, STAGES), plan_experiment(_with_trials(tiny))
    control = plan.networks.controls[VariantPattern("untrained")]
    store.ensure(control)
    for spec in (plan.networks.patterns[MODIFIED], control):
        found = store.result(spec, PatternResult).trials
        assert len(set(found)) == 2
        assert all(mig is not None and 0 < mig <= 1 for mig in found)


@pytest.mark.parametrize(("migs", "is_first"), [((0.1, 0.9), True), ((0.9, 0.1), False)])
def test_the_try_with_the_lowest_mig_is_taken_for_controls_too(
    tiny: ExperimentConfig, begun: Path, monkeypatch: pytest.MonkeyPatch, migs: tuple[float, float], is_first: bool
) -> None:
    monkeypatch.setattr(trials, "_mig", lambda context, images, number, count: migs[number])
    store, chosen, alone = Store(begun, STAGES), plan_experiment(_with_trials(tiny)), plan_experiment(tiny)
    for plan in (chosen, alone):
        store.ensure(plan.networks.controls[VariantPattern("untrained")])
    for one, other in (
        (chosen.networks.patterns[MODIFIED], alone.networks.patterns[MODIFIED]),
        (chosen.networks.controls[VariantPattern("untrained")], alone.networks.controls[VariantPattern("untrained")]),
    ):
        found, expected = store.result(one, PatternResult), store.result(other, PatternResult)
        assert found.trials == migs
        assert ((found.pattern, found.scalar) == (expected.pattern, expected.scalar)) == is_first


def test_trials_finished_before_a_run_was_killed_are_not_repeated(
    tiny: ExperimentConfig, begun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, spec = Store(begun, STAGES), plan_experiment(_with_trials(tiny)).networks.patterns[MODIFIED]
    scratch = store.scratch(spec)
    scratch.mkdir(parents=True)
    write_json(scratch / trials.MIGS, [0.5])
    monkeypatch.setattr(trials, "_mig", lambda *_: 0.25)
    result, weights = _built(_with_trials(tiny), begun)
    assert result.trials == (0.5, 0.25)
    assert not np.array_equal(weights, _built(tiny, begun)[1]), "the second try must be taken"


@pytest.mark.parametrize(("migs", "taken"), [([0.3, 0.1, 0.1], 1), ([None, 0.9], 1), ([None, None], 0), ([0.0, None], 0)])
def test_a_try_without_a_mig_is_taken_only_if_all_lack_one(migs: list[float | None], taken: int) -> None:
    assert trials.lowest(migs) == taken


def test_trials_require_at_least_two_tries() -> None:
    with pytest.raises(ValidationError, match=r"perturbation\.tries must be at least 2 where perturbation\.trial_steps = 6"):
        PerturbationConfig(epsilon=0.1, trial_steps=6)
