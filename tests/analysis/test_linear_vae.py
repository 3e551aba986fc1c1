"""Linear VAEs: the closed-form optimum, and angles to known principal directions."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from perturb.analysis.linear_vae import LinearVAE, angles, loss, optimum, principal, subspace_angle

VARIANCES = np.array([4.0, 2.0, 1.0, 0.1, 0.1])
AXES = ortho_group.rvs(5, random_state=0)
COVARIANCE = AXES * VARIANCES @ AXES.T


def _rotation(degrees: float) -> np.ndarray:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def _data(n: int = 200) -> np.ndarray:
    """Vectors, float64 (n, 5), with mean 3 and exactly the covariance above."""
    white = np.random.default_rng(0).normal(size=(n, 5))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(white.T @ white / n)).T
    return white * np.sqrt(VARIANCES) @ AXES.T + 3.0


def test_principal_components_are_those_of_the_covariance() -> None:
    found = principal(_data(), 3)
    assert found.variances == pytest.approx(VARIANCES[:3])
    assert np.abs(np.sum(found.directions * AXES[:, :3], axis=0)) == pytest.approx(1.0)
    assert found.mean == pytest.approx(3.0)
    assert np.allclose(found.directions.T @ found.directions, np.eye(3))


def test_principal_directions_in_any_order_sign_and_length_have_an_angle_of_zero() -> None:
    assert angles(AXES, AXES) == pytest.approx(0.0, abs=1e-12)
    assert angles(-3.0 * AXES[:, [2, 0, 1]] * [1, -1, 2], AXES) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("degrees", [1e-6, 0.5, 10.0, 44.9])
def test_rotated_principal_directions_have_the_angle_of_their_rotation(degrees: float) -> None:
    turned = AXES[:, :2] @ _rotation(degrees)
    assert angles(turned * [5.0, 0.1], AXES[:, :2]) == pytest.approx(degrees, rel=1e-6)
    assert angles(AXES[:, :2] @ _rotation(90 - degrees), AXES[:, :2]) == pytest.approx(degrees, rel=1e-6)
    assert subspace_angle(turned, AXES[:, :2]) == pytest.approx(0.0, abs=1e-5)


def test_columns_are_assigned_to_directions_jointly_not_greedily() -> None:
    """Both columns are nearest to the first direction, but only one can be assigned to it."""
    near, nearer = np.array([[np.cos(a), np.sin(a)] for a in np.radians([30.0, 10.0])])
    assert angles(np.column_stack([near, nearer]), np.eye(2)) == pytest.approx([60.0, 10.0])


def test_columns_outside_the_space_and_zero_columns_are_at_a_right_angle() -> None:
    decoder = np.column_stack([AXES[:, 0], AXES[:, 4], np.zeros(5)])
    assert angles(decoder, AXES[:, :3]) == pytest.approx([0.0, 90.0, 90.0])
    assert subspace_angle(AXES[:, [0, 4]], AXES[:, :2]) == pytest.approx(90.0)
    with pytest.raises(ValueError, match="`directions` must be at least 3, one for each latent, got 2"):
        angles(decoder, AXES[:, :2])


@pytest.mark.parametrize(("variance", "beta"), [(0.1, 1.0), (0.5, 1.0), (0.1, 8.0)])
def test_no_change_of_the_optimum_lowers_the_loss(variance: float, beta: float) -> None:
    best = optimum(principal(_data()), 3, variance=variance, beta=beta)
    least = loss(best, COVARIANCE, variance=variance, beta=beta)
    rng = np.random.default_rng(1)
    for size in (1e-3, 1e-1):
        for _ in range(50):
            other = LinearVAE(
                best.decoder + size * rng.normal(size=(5, 3)),
                best.encoder + size * rng.normal(size=(3, 5)),
                best.variances * np.exp(size * rng.normal(size=3)),
                best.mean,
            )
            assert loss(other, COVARIANCE, variance=variance, beta=beta) > least


def test_rotating_the_optimum_raises_the_loss_unless_variances_are_equal() -> None:
    def of_turned(variances: tuple[float, float]) -> float:
        cloud = np.random.default_rng(0).normal(size=(50, 2))
        cloud -= cloud.mean(axis=0)
        cloud = cloud @ np.linalg.inv(np.linalg.cholesky(cloud.T @ cloud / 50)).T * np.sqrt(variances)
        best = optimum(principal(cloud), 2, variance=0.1)
        turn = _rotation(30.0)
        turned = LinearVAE(best.decoder @ turn, turn.T @ best.encoder, best.variances, best.mean)
        covariance = cloud.T @ cloud / 50
        return loss(turned, covariance, variance=0.1) - loss(best, covariance, variance=0.1)

    assert of_turned((4.0, 1.0)) > 0.1
    assert of_turned((2.0, 2.0)) == pytest.approx(0.0, abs=1e-9)


def test_the_bound_is_tight_at_the_optimum_if_the_noise_equals_the_remaining_variance() -> None:
    best = optimum(principal(_data()), 3, variance=0.1)
    marginal = best.decoder @ best.decoder.T + 0.1 * np.eye(5)
    assert np.allclose(marginal, COVARIANCE)
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * COVARIANCE)[1]
    assert loss(best, COVARIANCE, variance=0.1) == pytest.approx(entropy)


def test_beta_acts_as_a_factor_of_the_likelihood_variance() -> None:
    found = principal(_data())
    one, other = optimum(found, 4, variance=0.2, beta=3.0), optimum(found, 4, variance=0.6)
    assert np.allclose(one.decoder, other.decoder)
    assert np.allclose(one.variances, other.variances)


def test_components_below_the_noise_stay_at_the_prior() -> None:
    best = optimum(principal(_data()), 4, variance=1.5)
    assert np.linalg.norm(best.decoder, axis=0) == pytest.approx([np.sqrt(2.5), np.sqrt(0.5), 0.0, 0.0])
    assert best.variances == pytest.approx([1.5 / 4, 1.5 / 2, 1.0, 1.0])
    assert np.allclose(best.encoder[2:], 0.0)
