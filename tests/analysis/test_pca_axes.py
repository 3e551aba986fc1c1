"""Principal axes of images with known factors."""

import numpy as np
import pytest

from perturb.analysis.pca_axes import explained_by_factors, neighbourhood, principal_axes, turned_at_random
from perturb.datasets.ground_truth import FactorGrid

GRID = FactorGrid(("position", "shape", "size"), (5, 3, 7), unordered=("shape",))
FACTORS = GRID.factors_of(np.arange(len(GRID)))


def _images(angle: float) -> np.ndarray:
    """Two factors along two of ten pixels, rotated by an angle."""
    pixels = np.zeros((len(GRID), 10))
    first, second = 3.0 * (FACTORS[:, 0] - 2), 1.0 * (FACTORS[:, 2] - 3)
    turn = np.radians(angle)
    pixels[:, 2] = np.cos(turn) * first - np.sin(turn) * second
    pixels[:, 7] = np.sin(turn) * first + np.cos(turn) * second
    return pixels


@pytest.mark.parametrize("angle", [0, 30])
def test_the_principal_axes_of_independent_factors_follow_one_factor_each_at_any_rotation(angle: float) -> None:
    found = principal_axes(_images(angle), 2, seed=0)
    np.testing.assert_allclose(found.shares, np.array([18, 4]) / 22)
    np.testing.assert_allclose(found.axes[0, [2, 7]], [np.cos(np.radians(angle)), np.sin(np.radians(angle))], atol=1e-12)
    np.testing.assert_allclose(explained_by_factors(found.scores, FACTORS), [[1, 0, 0], [0, 0, 1]], atol=1e-12)


def test_a_components_two_factors_are_explained_in_parts_and_their_interaction_not_at_all() -> None:
    first, second = FACTORS[:, 0] - 2.0, FACTORS[:, 2] - 3.0
    scores = np.stack([first + second, first * second, np.ones(len(GRID))], axis=1)
    expected = [[2 / 6, 0, 4 / 6], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(explained_by_factors(scores, FACTORS), expected, atol=1e-12)


def test_randomly_rotated_axes_span_the_same_space_and_follow_the_factors_less() -> None:
    scores = principal_axes(_images(0), 2, seed=0).scores
    turned = turned_at_random(scores, np.random.default_rng(1))
    np.testing.assert_allclose(turned @ turned.T, scores @ scores.T, atol=1e-9)
    assert explained_by_factors(turned, FACTORS).max(axis=1).min() < 0.99


def test_a_neighbourhood_moves_ordered_factors_by_one_value() -> None:
    inside = GRID.factors_of(neighbourhood(GRID, int(GRID.indices_of(np.array([[2, 1, 3]]))[0])))
    assert {tuple(values) for values in inside.tolist()} == {(a, 1, b) for a in (1, 2, 3) for b in (2, 3, 4)}
    corner = GRID.factors_of(neighbourhood(GRID, 0))
    assert {tuple(values) for values in corner.tolist()} == {(a, 0, b) for a in (0, 1) for b in (0, 1)}
