"""The OD-Score and the polar factor on matrices with known answers."""

import numpy as np
import pytest

from perturb.analysis.od_score import deviations, od_scores, polar_factor
from perturb.analysis.orthogonality import orthogonality

RNG = np.random.default_rng(0)
MATRICES = RNG.normal(size=(20, 9, 4)) @ np.diag([3.0, 2.0, 1.0, 0.5])


def _powered(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """M (MᵀM)^exponent, by eigenvalues."""
    values, vectors = np.linalg.eigh(matrix.T @ matrix)
    return matrix @ (vectors * values**exponent) @ vectors.T


def test_the_nearest_orthogonal_matrix_has_the_exponent_minus_one_half_not_the_printed_one() -> None:
    for matrix in MATRICES:
        factor = polar_factor(matrix)
        np.testing.assert_allclose(factor, _powered(matrix, -0.5), atol=1e-12)
        np.testing.assert_allclose(factor.T @ factor, np.eye(4), atol=1e-12)
        printed = _powered(matrix, 0.5)
        assert np.abs(printed.T @ printed - np.eye(4)).max() > 1
        others = [np.linalg.qr(factor + 0.1 * RNG.normal(size=factor.shape))[0] for _ in range(20)]
        others = [other * np.sign((other * factor).sum(axis=0)) for other in others]
        assert np.linalg.norm(matrix - factor) < min(np.linalg.norm(matrix - other) for other in others)


def test_orthogonal_columns_in_any_order_and_sign_deviate_only_in_their_lengths() -> None:
    columns = np.linalg.qr(RNG.normal(size=(9, 3)))[0] * [0.5, -3.0, 2.0]
    found = deviations(columns[None])
    assert found.u == pytest.approx(0, abs=1e-20)
    assert found.v == pytest.approx(0, abs=1e-20)
    assert found.lengths == pytest.approx(0, abs=1e-20)
    assert found.sigma == pytest.approx(0.5**2 + 2.0**2 + 1.0**2)


def test_a_rotation_of_two_latents_is_measured_by_its_angle() -> None:
    angle = np.radians(30)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = deviations((np.diag([3.0, 1.0]) @ rotation.T)[None])
    assert found.v == pytest.approx(4 * (1 - np.cos(angle)))
    assert found.sigma == pytest.approx(2.0**2)
    lengths = np.sqrt(9 * np.cos(angle) ** 2 + np.sin(angle) ** 2), np.sqrt(9 * np.sin(angle) ** 2 + np.cos(angle) ** 2)
    assert found.lengths == pytest.approx((3 - lengths[0]) ** 2 + (1 - lengths[1]) ** 2)


def test_the_distances_of_u_and_v_both_equal_the_squared_dto() -> None:
    found = deviations(MATRICES)
    np.testing.assert_allclose(found.u, found.v, rtol=1e-10)
    np.testing.assert_allclose(np.sqrt(found.v), orthogonality(MATRICES, range(4)).distances, rtol=1e-10)
    assert found.terms == pytest.approx((found.u.mean(), found.sigma.mean(), found.u.mean()))


def test_an_od_score_depends_on_the_models_compared() -> None:
    terms = np.array([[1.0, 9.0, 1.0], [2.0, 3.0, 2.0]])
    np.testing.assert_allclose(od_scores(terms), [(0.5 + 1 + 0.5) / 3, (1 + 1 / 3 + 1) / 3])
    with_a_third = od_scores(np.vstack([terms, [20.0, 9.0, 20.0]]))
    assert with_a_third[0] > with_a_third[1]
    assert od_scores(np.array([[0.0, 1.0, 0.0]])) == pytest.approx([1 / 3])
