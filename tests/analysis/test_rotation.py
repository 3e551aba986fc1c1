"""Propositions 1 to 3 of the thesis against closed forms."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, ortho_group

from perturb.analysis.deterministic_elbo import precision
from perturb.analysis.precision import rotation
from perturb.analysis.rotation import (
    Bend,
    elbo,
    evidence,
    largest_cosine_and_mixing,
    turned,
    with_orthogonal_columns,
)

RNG = np.random.default_rng(0)
MATRIX = np.array([[1.0, 0.2], [-0.5, 0.8], [0.3, 0.3]])
IMAGES, VARIANCE = RNG.normal(size=(4, 3)), 0.25


def _linear(codes: np.ndarray) -> np.ndarray:
    return codes @ MATRIX.T


def test_the_evidence_of_a_linear_decoder_is_gaussian() -> None:
    covariance = MATRIX @ MATRIX.T + VARIANCE * np.eye(3)
    assert evidence(_linear, IMAGES, variance=VARIANCE) == pytest.approx(
        multivariate_normal(cov=covariance).logpdf(IMAGES), abs=1e-9
    )


def test_the_elbo_of_the_true_posterior_equals_the_evidence() -> None:
    covariance = np.linalg.inv(np.eye(2) + MATRIX.T @ MATRIX / VARIANCE)
    means = IMAGES @ MATRIX @ covariance / VARIANCE
    found = elbo(_linear, IMAGES, means, np.stack([covariance] * 4), variance=VARIANCE)
    assert found == pytest.approx(evidence(_linear, IMAGES, variance=VARIANCE), abs=1e-9)


def test_the_jacobian_of_a_bend_equals_finite_differences() -> None:
    bend, codes, step = Bend.drawn(RNG), RNG.normal(size=(5, 2)), 1e-6
    numeric = [(bend(codes + step * axis) - bend(codes - step * axis)) / (2 * step) for axis in np.eye(2)]
    assert bend.jacobians(codes) == pytest.approx(np.stack(numeric, axis=2), abs=1e-7)


def test_rotating_preserves_the_evidence_and_the_elbo_but_not_the_diagonal_elbo() -> None:
    bend, codes, by = Bend.drawn(RNG), RNG.normal(size=(4, 2)), rotation(30)
    images, other = bend(codes), turned(bend, by)
    assert other(codes @ by.T) == pytest.approx(images)
    assert evidence(other, images, variance=VARIANCE) == pytest.approx(evidence(bend, images, variance=VARIANCE), abs=1e-8)
    asked = precision(bend.jacobians(codes), variance=VARIANCE)
    full = np.linalg.inv(asked)
    before = elbo(bend, images, codes, full, variance=VARIANCE)
    assert elbo(other, images, codes @ by.T, by @ full @ by.T, variance=VARIANCE) == pytest.approx(before, abs=1e-8)
    diagonal = [
        elbo(decoder, images, means, np.stack([np.diag(1 / np.diag(one)) for one in wanted]), variance=VARIANCE)
        for decoder, means, wanted in ((bend, codes, asked), (other, codes @ by.T, by @ asked @ by.T))
    ]
    assert not np.allclose(*diagonal, atol=1e-2)


def test_orthogonal_columns_have_axis_aligned_singular_vectors_and_rotated_ones_do_not() -> None:
    orthogonal = with_orthogonal_columns(RNG, 6, np.array([3.0, 2.0, 1.0]))
    assert max(largest_cosine_and_mixing(orthogonal)) < 1e-12
    assert min(largest_cosine_and_mixing(orthogonal @ ortho_group.rvs(3, random_state=1))) > 0.05


def test_columns_of_equal_length_leave_the_singular_vectors_undetermined() -> None:
    """The proposition requires distinct singular values."""
    mixings = [largest_cosine_and_mixing(with_orthogonal_columns(RNG, 6, np.ones(3))) for _ in range(5)]
    assert max(cosine for cosine, _ in mixings) < 1e-12
    assert max(mixing for _, mixing in mixings) > 0.1
