"""DtO and DS of models of vectors with known axes."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from perturb.analysis.linear_vae import LinearVAE
from perturb.analysis.orthogonality import distances_to_orthogonality, orthogonality
from perturb.analysis.vector_study import CHANCE, factors_distance, mean_distances, of_linear, random_decoders, turned_square
from perturb.analysis.vector_training import untrained
from perturb.config import TrainingConfig
from perturb.config.objectives import VAEConfig
from perturb.config.training import Architecture, GaussianConfig
from perturb.datasets.synthetic import Synthetic, linear, linear_matrix, nonlinear
from perturb.objectives import Objective

SAMPLES = linear(2.0).samples(0, 4_000)


def _turned(degrees: float, variances: tuple[float, float] = (0.1, 0.1)) -> LinearVAE:
    """A linear VAE aligned with the factors, with unit variance per axis, then rotated by an angle."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    decoder = linear_matrix(2.0) / np.sqrt(12) @ turn.T
    return LinearVAE(decoder, np.linalg.pinv(decoder), np.array(variances), SAMPLES.values.mean(axis=0))


def test_an_aligned_code_scores_perfectly_and_a_rotated_one_like_a_rotated_square() -> None:
    angles = [0.0, 20.0, 45.0, 90.0]
    found = of_linear([_turned(angle) for angle in angles], [SAMPLES] * 4, seed=0)
    assert found.distances == pytest.approx([0, 2 * np.sqrt(2) * np.sin(np.radians(10)), 1.0824, 0], abs=1e-4)
    assert found.scores == pytest.approx([1, *turned_square(angles[1:3], seed=0)[:, 1], 1], abs=0.05)
    assert found.scores[[0, 3]].min() > 0.99
    assert turned_square([20.0], seed=0)[0, 0] == pytest.approx(found.distances[1])


def test_a_rotated_square_scores_lower_the_more_it_is_rotated() -> None:
    found = turned_square([0, 15, 30, 45], seed=1)
    assert (np.diff(found[:, 0]) > 0).all()
    assert (np.diff(found[:, 1]) < -0.1).all()
    assert found[0] == pytest.approx([0, 1], abs=0.01)
    assert found[-1] == pytest.approx([1.0824, 0], abs=0.1)


def test_a_model_with_a_pruned_latent_has_neither_dto_nor_ds() -> None:
    found = of_linear([_turned(0, (0.1, 1.0)), _turned(0)], [SAMPLES] * 2, seed=0)
    assert np.isnan(found.distances).tolist() == np.isnan(found.scores).tolist() == [True, False]
    assert found.active.tolist() == [[True, False], [True, True]]


def test_chance_is_the_mean_over_all_directions() -> None:
    vectors = ortho_group.rvs(2, size=5_000, random_state=0)
    assert distances_to_orthogonality(vectors).mean() == pytest.approx(CHANCE, abs=0.02)
    normal = np.random.default_rng(0).normal(size=(5_000, 3, 2))
    assert orthogonality(normal, (0, 1)).distances.mean() == pytest.approx(CHANCE, abs=0.02)


def _untrained(architecture: Architecture, channels: int) -> Objective:
    training = TrainingConfig(architecture=architecture, likelihood=GaussianConfig())
    return untrained(VAEConfig(), training, channels=channels, latents=2, seeds=range(300))


def test_random_decoders_are_farther_than_chance() -> None:
    uniform = np.random.default_rng(0).uniform(-1, 1, size=(5_000, 3, 2))
    expected = orthogonality(uniform, (0, 1)).distances.mean()
    assert expected > CHANCE + 0.05
    found = random_decoders(_untrained("linear", 3), seed=0)
    assert found.distances.mean() == pytest.approx(expected, abs=0.05)
    assert np.isnan(found.scores).all()


def test_networks_are_measured_at_the_given_codes() -> None:
    import torch

    model = _untrained("mlp_vectors", 6)
    places = mean_distances(model, torch.zeros(300, 1, 2)), mean_distances(model, torch.full((300, 1, 2), 2.0))
    assert places[0].shape == (300,)
    assert not np.allclose(*places)


def test_the_factors_of_the_linear_set_are_orthogonal_and_those_of_a_shear_are_not() -> None:
    factors = np.random.default_rng(0).random((50, 2))
    assert factors_distance(linear(2.0), factors) == pytest.approx(0, abs=1e-6)
    shear = np.array([[1.0, 0.0], [1.0, 1.0]])
    vectors = np.linalg.svd(shear.T)[2].T
    expected = distances_to_orthogonality(vectors[None])[0]
    assert factors_distance(Synthetic("sheared", 2, lambda w: w @ shear, ""), factors) == pytest.approx(expected, abs=1e-6)
    assert 0.05 < factors_distance(nonlinear(0), factors) < 1.09
