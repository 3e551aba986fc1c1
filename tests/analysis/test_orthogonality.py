"""Matrices with known distance to orthogonality, cosines and Hadamard deficit."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import ortho_group
from torch import Tensor

from perturb.analysis.orthogonality import (
    decoder_orthogonality,
    distances_to_orthogonality,
    nearest_by_programme,
    nearest_signed_permutation,
    orthogonality,
    reduced,
)

ANGLES = np.radians([0, 10, 30, 44, 60, 90, 200])


def _turn(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _jacobian(vectors: np.ndarray, singular: list[float], values: int = 7) -> np.ndarray:
    """U S Vᵀ with random orthonormal columns in U."""
    left = np.linalg.qr(np.random.default_rng(0).normal(size=(values, len(singular))))[0]
    return left * singular @ vectors.T


@pytest.mark.parametrize("angle", ANGLES)
def test_the_distance_of_a_rotation_is_its_angle_to_the_next_quarter_turn(angle: float) -> None:
    apart = abs((angle + math.pi / 4) % (math.pi / 2) - math.pi / 4)
    found = orthogonality(_jacobian(_turn(angle), [3.0, 1.0])[None], (0, 1))
    assert found.distances[0] == pytest.approx(math.sqrt(8) * math.sin(apart / 2), abs=1e-12)


@pytest.mark.parametrize("k", [2, 3, 5, 6])
def test_the_assignment_is_the_optimum_of_the_thesiss_integer_programme(k: int) -> None:
    for matrix in ortho_group.rvs(k, size=4, random_state=k):
        ours, theirs = nearest_signed_permutation(matrix), nearest_by_programme(matrix)
        assert np.abs(matrix - ours).sum() == pytest.approx(np.abs(matrix - theirs).sum(), abs=1e-7)
        assert np.linalg.norm(matrix - ours) == pytest.approx(np.linalg.norm(matrix - theirs), abs=1e-7)
        for found in (ours, theirs):
            assert np.array_equal(np.abs(found).sum(axis=0), np.ones(k))
            assert np.array_equal(np.abs(found).sum(axis=1), np.ones(k))


@pytest.mark.parametrize("k", [3, 4])
def test_no_signed_permutation_is_nearer(k: int) -> None:
    for matrix in ortho_group.rvs(k, size=20, random_state=3):
        permutations = (np.eye(k)[list(order)] for order in itertools.permutations(range(k)))
        best = min(np.linalg.norm(matrix - np.sign(matrix) * found) for found in permutations)
        assert distances_to_orthogonality(matrix[None])[0] == pytest.approx(best)


def test_signs_and_the_order_of_latents_do_not_matter() -> None:
    (matrix,) = ortho_group.rvs(4, size=1, random_state=0)[None]
    turned = matrix[[2, 0, 3, 1]] * [1, -1, -1, 1]
    assert distances_to_orthogonality(turned[None]) == pytest.approx(distances_to_orthogonality(matrix[None]))
    exact = np.eye(4)[[2, 0, 3, 1]] * [1, -1, -1, 1]
    assert np.array_equal(nearest_signed_permutation(exact), exact)
    assert nearest_signed_permutation(np.eye(4)).min() == 0


@pytest.mark.parametrize("degrees", [90, 60, 15])
def test_two_columns_at_an_angle_have_its_cosine_and_the_reciprocal_of_its_sine_as_ratio(degrees: int) -> None:
    angle = math.radians(degrees)
    columns = np.array([[2.0, 5 * math.cos(angle)], [0.0, 5 * math.sin(angle)], [0.0, 0.0]])
    found = orthogonality(columns[None], (0, 1))
    assert found.cosine == pytest.approx(math.cos(angle), abs=1e-12)
    assert found.ratio == pytest.approx(1 / math.sin(angle))
    assert found.deficits[0] == pytest.approx(-math.log(math.sin(angle)), abs=1e-12)


def test_orthogonal_columns_have_no_distance_no_cosine_and_no_deficit() -> None:
    found = orthogonality(_jacobian(np.eye(4)[[1, 3, 0, 2]], [9.0, 4, 2, 1])[None], (0, 1, 2, 3))
    assert found.distances[0] == pytest.approx(0, abs=1e-12)
    assert found.cosine == pytest.approx(0, abs=1e-12)
    assert found.ratio == pytest.approx(1)
    assert found.singular[0] == pytest.approx([9, 4, 2, 1])


def test_equal_singular_values_are_counted_and_do_not_affect_cosines_and_deficit() -> None:
    """Two equal singular values give orthogonal columns under any rotation, so V is arbitrary."""
    equal, distinct = _jacobian(_turn(0.6), [2.0, 2.0]), _jacobian(_turn(0.6), [2.0, 1.8])
    found = orthogonality(np.stack([equal, distinct]), (0, 1))
    assert found.degenerate == 0.5
    assert found.cosines[0, 0, 1] == pytest.approx(0, abs=1e-12)
    assert found.cosines[1, 0, 1] > 0.05
    assert found.deficits[0] == pytest.approx(0, abs=1e-12)
    assert found.deficits[1] > 1e-3


def test_a_zero_column_is_orthogonal_to_all_others_and_leaves_the_ratio_undefined() -> None:
    dead = _jacobian(_turn(0.3), [2.0, 1.0])
    dead = np.concatenate([dead, np.zeros((7, 1))], axis=1)
    alive = _jacobian(np.eye(3), [3.0, 2.0, 1.0])
    found = orthogonality(np.stack([dead, alive]), (0, 1, 4))
    assert np.isfinite(found.cosines).all()
    assert found.cosines[0, 0, 2] == 0
    assert found.deficient == 0.5
    assert found.ratio == pytest.approx(1)
    assert np.isnan(orthogonality(dead[None], (0, 1, 4)).ratio)


def test_fewer_values_than_latents_span_no_volume() -> None:
    found = orthogonality(np.random.default_rng(0).normal(size=(2, 2, 3)), (0, 1, 2))
    assert found.deficient == 1
    assert found.singular.shape == (2, 3)


def test_rotating_the_images_changes_nothing() -> None:
    matrices = np.random.default_rng(0).normal(size=(5, 50, 4))
    whole, small = (orthogonality(found, range(4)) for found in (matrices, reduced(torch.from_numpy(matrices)).numpy()))
    assert small.distances == pytest.approx(whole.distances)
    assert small.cosines == pytest.approx(whole.cosines)
    assert small.deficits == pytest.approx(whole.deficits)


def test_a_decoder_is_examined_only_in_its_active_units() -> None:
    """For z ↦ M (3 z₀, z₁ + z₂, 2 z₂) with orthonormal M, units 0 and 1 are orthogonal and units 1 and 2 are not."""
    frame = torch.from_numpy(np.linalg.qr(np.random.default_rng(0).normal(size=(6, 3)))[0])

    def decode(codes: Tensor) -> Tensor:
        moved = torch.stack([3 * codes[..., 0], codes[..., 1] + codes[..., 2], 2 * codes[..., 2]], dim=-1)
        return moved @ frame.T

    codes = torch.zeros(37, 3, dtype=torch.float64)
    apart, mixed = decoder_orthogonality(decode, codes, [0, 1]), decoder_orthogonality(decode, codes, [1, 2])
    assert apart.distances == pytest.approx(np.zeros(37), abs=1e-12)
    assert apart.singular[0] == pytest.approx([3, 1])
    assert mixed.cosine == pytest.approx(1 / math.sqrt(5))
    assert mixed.units == (1, 2)


@pytest.mark.parametrize("units", [[], [1]])
def test_fewer_than_two_columns_are_refused(units: list[int]) -> None:
    with pytest.raises(ValueError, match=f"there are {len(units)}"):
        orthogonality(np.ones((1, 3, len(units))), units)
