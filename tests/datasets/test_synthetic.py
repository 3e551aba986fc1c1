"""The thesis's synthetic sets: how their embeddings map the unit square."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from perturb.datasets.synthetic import AXIS, SYNTHETIC, linear, linear_matrix, nonlinear


@pytest.mark.parametrize("name", SYNTHETIC)
def test_a_sample_has_the_thesis_size_and_depends_only_on_its_seed(name):
    made = SYNTHETIC[name]
    factors, observations = made.sample(seed=3)
    assert made.name == name
    assert (factors.dtype, factors.shape) == (np.float64, (50_000, 2))
    assert (observations.dtype, observations.shape) == (np.float32, (50_000, made.dimensions))
    again = made.sample(seed=3)
    assert np.array_equal(again[0], factors)
    assert np.array_equal(again[1], observations)
    assert not np.array_equal(made.sample(seed=4)[0], factors)
    assert made.sample(seed=3, n=7)[1].shape == (7, made.dimensions)


def test_factors_are_uniform_on_the_unit_square():
    factors, _ = SYNTHETIC["synthetic_linear"].sample(seed=0)
    counts = np.histogram2d(*factors.T, bins=5, range=[[0, 1], [0, 1]])[0]
    assert counts.sum() == 50_000
    assert np.abs(counts - 2_000).max() < 5 * np.sqrt(2_000)


@pytest.mark.parametrize("ratio", [1.0, 1.2, 1.5, 2.0])
def test_the_linear_embedding_only_stretches_and_rotates(ratio):
    matrix = linear_matrix(ratio)
    np.testing.assert_allclose(matrix.T @ matrix, np.diag([ratio**2, 1.0]), atol=1e-12)
    np.testing.assert_allclose(np.linalg.svd(matrix, compute_uv=False), [ratio, 1.0])


def test_the_rotation_is_by_45_degrees_about_its_axis():
    turn = np.column_stack([linear_matrix(1.0), np.cross(*linear_matrix(1.0).T)])
    np.testing.assert_allclose(turn @ AXIS, AXIS)
    assert np.trace(turn) == pytest.approx(1 + 2 * np.cos(np.pi / 4))
    assert np.linalg.det(turn) == pytest.approx(1.0)
    assert not np.allclose(turn, turn.T)


def test_observations_of_the_linear_set_are_factors_times_its_matrix():
    factors, observations = linear(1.5).sample(seed=1, n=100)
    np.testing.assert_allclose(observations, factors @ linear_matrix(1.5).T, rtol=1e-6, atol=1e-7)


def test_variances_are_four_to_one_in_the_linear_set_and_equal_in_the_degenerate_set():
    for name, ratio in (("synthetic_linear", 4.0), ("synthetic_degenerate", 1.0)):
        _, observations = SYNTHETIC[name].sample(seed=0)
        variances = np.linalg.eigvalsh(np.cov(observations.T))
        assert variances[0] == pytest.approx(0.0, abs=1e-6)
        assert variances[2] / variances[1] == pytest.approx(ratio, rel=0.03)


def test_the_nonlinear_set_is_bounded_injective_and_not_linear():
    made = SYNTHETIC["synthetic_nonlinear"]
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 21)), axis=-1).reshape(-1, 2)
    found = made.embedding(grid)
    assert np.abs(found).max() < (10 + 1) / np.sqrt(10)
    ratios = pdist(found) / pdist(grid)
    assert ratios.min() > 0.05, "distinct points of the square must stay apart"
    with_ones = np.column_stack([grid, np.ones(len(grid))])
    left = found - with_ones @ np.linalg.lstsq(with_ones, found, rcond=None)[0]
    assert left.std() > 0.01 * found.std(axis=0).mean()


def test_another_network_gives_another_set():
    factors, first = nonlinear(0).sample(seed=0, n=10)
    same, second = nonlinear(1).sample(seed=0, n=10)
    assert np.array_equal(factors, same)
    assert not np.allclose(first, second)
    assert np.array_equal(nonlinear(0).sample(seed=0, n=10)[1], first)
