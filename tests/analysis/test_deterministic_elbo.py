"""The deterministic ELBO: linear VAEs with a known ELBO, random decoders, and pruning at known variances."""

import numpy as np
import pytest

from perturb.analysis.deterministic_elbo import (
    best_elbo,
    elbo,
    log_likelihood,
    posterior_variances,
    precision,
    price_of_the_diagonal,
)
from perturb.analysis.linear_vae import LinearVAE, loss, optimum, principal

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(500, 4)) @ (RNG.normal(size=(4, 4)) * np.array([2.0, 1.0, 0.7, 0.3])) + 1.0
FOUND = principal(DATA)
COVARIANCE = (DATA - FOUND.mean).T @ (DATA - FOUND.mean) / len(DATA)


def _parts(model: LinearVAE, variance: float, beta: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihoods, means and precisions of a linear VAE."""
    means = (DATA - FOUND.mean) @ model.encoder.T
    errors = np.square(DATA - FOUND.mean - means @ model.decoder.T).sum(axis=1)
    jacobians = np.tile(model.decoder, (len(DATA), 1, 1))
    return log_likelihood(errors, 4, variance), means, precision(jacobians, variance=variance, beta=beta)


@pytest.mark.parametrize("beta", [1.0, 3.0, 0.25])
def test_the_elbo_of_any_linear_vae_equals_the_closed_form(beta: float) -> None:
    model = LinearVAE(RNG.normal(size=(4, 3)), RNG.normal(size=(3, 4)), RNG.uniform(0.1, 2.0, 3), FOUND.mean)
    likelihood, means, asked = _parts(model, 0.3, beta)
    found = elbo(likelihood, means, np.tile(np.diag(model.variances), (len(DATA), 1, 1)), asked, beta=beta)
    assert found.mean() == pytest.approx(-loss(model, COVARIANCE, variance=0.3, beta=beta), rel=1e-12)


def test_the_best_covariance_is_the_inverse_of_the_precision_and_no_other_is_better() -> None:
    model = LinearVAE(RNG.normal(size=(4, 3)), RNG.normal(size=(3, 4)), np.ones(3), FOUND.mean)
    likelihood, means, asked = _parts(model, 0.3, 2.0)
    full, diagonal = np.linalg.inv(asked), np.stack([np.diag(1 / np.diag(one)) for one in asked])
    best, best_diagonal = (best_elbo(likelihood, means, asked, diagonal=flag, beta=2.0) for flag in (False, True))
    assert elbo(likelihood, means, full, asked, beta=2.0) == pytest.approx(best)
    assert elbo(likelihood, means, diagonal, asked, beta=2.0) == pytest.approx(best_diagonal)
    for _ in range(20):
        change = 0.1 * RNG.normal(size=(3, 3))
        stretched = (np.eye(3) + change) @ full @ (np.eye(3) + change).T
        assert (elbo(likelihood, means, stretched, asked, beta=2.0) < best).all()
        widened = diagonal * np.exp(0.3 * RNG.normal(size=3))
        assert (elbo(likelihood, means, widened, asked, beta=2.0) < best_diagonal).all()
    assert best - best_diagonal == pytest.approx(2.0 * price_of_the_diagonal(asked))


def test_the_bound_is_tight_at_the_ppca_optimum() -> None:
    variance = float(FOUND.variances[3])
    likelihood, means, asked = _parts(optimum(FOUND, 3, variance=variance), variance, 1.0)
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * COVARIANCE)[1]
    for diagonal in (True, False):
        assert best_elbo(likelihood, means, asked, diagonal=diagonal).mean() == pytest.approx(-entropy)


def test_the_elbo_divided_by_beta_equals_that_with_variance_times_beta_up_to_a_constant() -> None:
    bounds = []
    for decoder in (RNG.normal(size=(4, 2)), RNG.normal(size=(4, 2))):
        model = LinearVAE(decoder, RNG.normal(size=(2, 4)), np.ones(2), FOUND.mean)
        scaled, plain = (
            best_elbo(*_parts(model, variance, beta), diagonal=True, beta=beta) / beta
            for variance, beta in ((0.1, 5.0), (0.5, 1.0))
        )
        bounds.append(scaled - plain)
    assert np.ptp(bounds) == pytest.approx(0.0, abs=1e-9)


def test_a_diagonal_posterior_costs_nothing_for_orthogonal_columns_and_the_known_amount_otherwise() -> None:
    orthogonal = np.array([[[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]])
    assert price_of_the_diagonal(precision(orthogonal, variance=0.5)) == pytest.approx(0.0, abs=1e-15)
    same = np.ones((1, 1, 2))  # P = [[2, 1], [1, 2]]
    assert price_of_the_diagonal(precision(same, variance=1.0)) == pytest.approx(0.5 * np.log(4 / 3))
    assert price_of_the_diagonal(precision(same, variance=0.5, beta=2.0)) == pytest.approx(0.5 * np.log(4 / 3))


@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        (0.1, [0.025, 0.05, 0.1]),
        (1.0, [0.25, 0.5, 1.0]),
        (2.0, [0.5, 1.0, 1.0]),
        (3.0, [0.75, 1.0, 1.0]),
        (4.0, [1.0, 1.0, 1.0]),
        (9.0, [1.0, 1.0, 1.0]),
    ],
)
def test_a_unit_is_pruned_if_its_variance_is_at_most_beta_times_the_likelihood_variance(
    noise: float, expected: list[float]
) -> None:
    found = posterior_variances(np.array([1.0, 4.0, 2.0, 0.01]), 3, noise)
    assert found == pytest.approx(expected)
    components = principal(np.diag(np.sqrt([8 * 1.0, 8 * 4.0, 8 * 2.0, 8 * 0.01]))[[0, 0, 1, 1, 2, 2, 3, 3]]
                           * np.array([1, -1] * 4)[:, None])  # fmt: skip
    assert optimum(components, 3, variance=noise / 2, beta=2.0).variances == pytest.approx(
        posterior_variances(components.variances, 3, noise)
    )
