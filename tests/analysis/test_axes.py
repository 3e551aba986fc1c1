"""Metrics with known costs on their own and on the best axes, and known angles."""

import math

import numpy as np
import pytest
import torch

from perturb.analysis.axes import axes_cost, cost_of, pooled_images, slopes_around, turn_angles, used_codes
from perturb.datasets import Mini


def _turned(degrees: float, *eigenvalues: float) -> torch.Tensor:
    """A metric with its first two best axes rotated by an angle."""
    turn, angle = torch.eye(len(eigenvalues), dtype=torch.float64), math.radians(degrees)
    turn[:2, :2] = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turn @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ turn.T


def test_a_diagonal_metric_costs_the_same_on_its_own_axes_and_on_the_best_ones() -> None:
    cost = axes_cost(torch.diag(torch.tensor([45.0, 12.0, 0.0])), 3.0)
    assert cost.own == pytest.approx((math.log(48) + math.log(15) + math.log(3)) / 2)
    assert (cost.saving, cost.angle) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_two_axes_turned_by_45_degrees_cost_twice_the_log_of_their_mean() -> None:
    cost = axes_cost(_turned(45, 9.0, 1.0), 1.0)
    assert cost.own == pytest.approx(math.log(1 + 5))
    assert cost.best == pytest.approx((math.log(10) + math.log(2)) / 2)
    assert cost.saving == pytest.approx(math.log(6) - math.log(20) / 2)


@pytest.mark.parametrize("degrees", [10.0, 30.0, 44.0])
def test_the_angle_of_each_latent_is_that_of_its_best_axis(degrees: float) -> None:
    assert turn_angles(_turned(degrees, 9.0, 1.0, 4.0)) == pytest.approx((degrees, degrees, 0.0))


def test_axes_that_differ_only_in_order_or_sign_are_not_turned() -> None:
    assert turn_angles(_turned(90, 9.0, 1.0)) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert turn_angles(_turned(170, 9.0, 1.0)) == pytest.approx((10.0, 10.0))


def test_images_that_mix_two_latents_are_cheaper_along_their_sum_and_difference() -> None:
    codes = used_codes(np.random.default_rng(0).normal(size=(2_000, 2)))
    slopes = slopes_around(codes, torch.Generator().manual_seed(0))
    sum_and_difference = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / math.sqrt(2)
    along, mixed = (
        cost_of(slopes, codes @ axes.T * torch.tensor([6.0, 2.0]), 1.0) for axes in (torch.eye(2), sum_and_difference)
    )
    assert (along.saving, along.angle) == pytest.approx((0.0, 0.0), abs=0.5)
    assert along.saving < 0.01
    # G has the eigenvalues 36 and 4, slightly shrunk by the ridge.
    assert mixed.saving == pytest.approx(math.log(21) - (math.log(37) + math.log(5)) / 2, rel=0.1)
    assert mixed.angles == pytest.approx((45.0, 45.0), abs=2.0)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e307])
def test_codes_of_any_scale_are_standardised_and_unused_latents_are_left_out(scale: float) -> None:
    rng = np.random.default_rng(1)
    codes = rng.normal(size=(500, 4)) * [1.0, 0.5, 0.05, 0.0] + 7
    found = used_codes(codes * scale)
    assert found.shape == (500, 2)
    assert found.mean(dim=0).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert found.std(dim=0, correction=0).tolist() == pytest.approx([1, 1], rel=1e-5)


def test_constant_codes_have_no_latents_in_use() -> None:
    assert used_codes(np.full((10, 3), 4)).shape == (10, 0)


def test_pooling_preserves_the_energy_of_constant_cells() -> None:
    class White:
        def images(self, numbers: np.ndarray) -> np.ndarray:
            return np.full((len(numbers), *Mini.image_shape), 255, np.uint8)

    cells = pooled_images(White(), np.arange(600))
    assert cells.shape == (600, 192)
    assert cells.square().sum(dim=1).tolist() == pytest.approx([32 * 32 * 3] * 600)
