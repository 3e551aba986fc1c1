"""Minima of the expected losses of linear models against closed forms."""

import numpy as np
import pytest

from perturb.analysis.linear_minimum import Noise, minimised
from perturb.analysis.linear_vae import LinearVAE, angles, loss, optimum, principal
from perturb.datasets.synthetic import linear

DATA = linear(2.0).samples(0, 5_000).values
FOUND = principal(DATA)
BEST = optimum(FOUND, 2, variance=0.5, beta=1e-4)


def _minimised(noise: Noise, seed: int, beta: float = 1e-4) -> LinearVAE:
    return minimised(DATA, noise, latents=2, beta=beta, variance=0.5, seed=seed)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_diagonal_posterior_converges_to_the_closed_form(seed: int) -> None:
    model, covariance = _minimised("diagonal", seed), np.cov(DATA.T.astype(float), bias=True)
    ends = [loss(one, covariance, variance=0.5, beta=1e-4) for one in (model, BEST)]
    assert ends[0] == pytest.approx(ends[1], abs=1e-9)
    assert angles(model.decoder, FOUND.directions).max() < 0.1
    assert np.sort(model.variances) == pytest.approx(np.sort(BEST.variances), rel=1e-3)
    assert model.mean == pytest.approx(FOUND.mean)


def test_a_full_covariance_converges_to_the_closed_form_up_to_a_rotation() -> None:
    models = [_minimised("full", seed) for seed in range(3)]
    for model in models:
        assert model.decoder @ model.decoder.T == pytest.approx(BEST.decoder @ BEST.decoder.T, abs=1e-5)
    assert max(angles(model.decoder, FOUND.directions).max() for model in models) > 5


def test_an_autoencoder_converges_to_the_principal_plane_with_arbitrary_axes() -> None:
    model, plane = _minimised("none", 0), FOUND.directions[:, :2]
    assert model.decoder @ model.encoder @ plane == pytest.approx(plane, abs=1e-4)
    assert angles(model.decoder, plane).max() > 5
    assert model.variances.max() < 1e-8


def test_a_latent_that_costs_more_than_it_explains_is_pruned() -> None:
    model = _minimised("diagonal", 0, beta=1.0)
    assert np.abs(model.decoder).max() < 1e-2
    assert model.variances == pytest.approx([1, 1], abs=1e-3)


def test_the_result_is_determined_by_the_seed() -> None:
    first, again, other = (_minimised("full", seed).decoder for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
