"""Slopes, metric and gain against hand calculations, mostly for linear images."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from perturb.perturbation.local_metric import active_codes, best_axes, gain_of_turning, mean_metric, slopes_at, standardised


def _linear_images(codes: torch.Tensor, jacobian: torch.Tensor) -> torch.Tensor:
    return codes @ jacobian + 3.0


@pytest.mark.parametrize("width", [0.5, 1.5])
def test_the_slopes_of_linear_images_are_their_jacobian(width: float) -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(3_000, 3, generator=generator)
    jacobian = torch.randn(3, 7, generator=generator)
    slopes = slopes_at(codes[:40], codes, width) @ _linear_images(codes, jacobian)
    # The ridge shrinks the slopes by a few per cent.
    assert torch.allclose(slopes, jacobian.expand(40, 3, 7), rtol=0.15, atol=0.15)
    metric = mean_metric(slopes_at(codes[:40], codes, width), _linear_images(codes, jacobian))
    assert torch.allclose(metric, jacobian @ jacobian.T, rtol=0.1, atol=0.3)


def test_a_circle_cut_open_has_no_jump_in_its_slope() -> None:
    """One latent encodes a hue: the images at both ends are similar, but their codes are far apart."""
    angle = torch.linspace(-math.pi, math.pi, 2_001)[:-1]
    images = torch.stack([angle.cos(), angle.sin()], dim=1)
    codes = standardised(angle[:, None])
    slopes = slopes_at(codes[[0, 1_000]], codes, 0.2) @ images
    norms = slopes.square().sum(dim=(1, 2)).sqrt() / angle.std(correction=0)
    assert norms == pytest.approx([1.0, 1.0], abs=0.1)


def test_turning_gains_nothing_for_a_diagonal_metric_and_the_expected_amount_for_one_direction() -> None:
    assert gain_of_turning(torch.diag(torch.tensor([9.0, 2.0, 0.5])), 3.0).item() == pytest.approx(0, abs=1e-6)
    one_direction = torch.ones(4, 4)
    expected = 4 * math.log(1 + 1) - math.log(1 + 4)
    assert gain_of_turning(one_direction, 1.0).item() == pytest.approx(expected, rel=1e-5)


def test_turning_by_45_degrees_gains_what_the_columns_predict() -> None:
    """The gain is log(1 + (r − 1)² / 4r) for eigenvalues with the ratio r and a negligible price."""
    ratio, half = 1.62, math.sqrt(0.5)
    turn = torch.tensor([[half, -half], [half, half]], dtype=torch.float64)
    metric = turn @ torch.diag(torch.tensor([ratio, 1.0], dtype=torch.float64)) @ turn.T
    assert gain_of_turning(metric, 1e-9).item() == pytest.approx(math.log(1 + (ratio - 1) ** 2 / (4 * ratio)), rel=1e-5)


def test_the_best_axes_diagonalise_the_metric() -> None:
    factor = torch.randn(4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    metric = factor @ factor.T
    axes = best_axes(metric)
    turned = axes @ metric @ axes.T
    assert torch.allclose(turned, torch.diag(turned.diagonal()), atol=1e-9)
    assert gain_of_turning(turned, 1.0).item() == pytest.approx(0, abs=1e-9)


def test_unused_latents_are_excluded_from_the_axes() -> None:
    means = np.random.default_rng(3).normal(size=(100, 3)).astype(np.float32)
    logvars = np.tile(np.log(np.float32([0.04, 0.9, 0.25])), (100, 1))
    assert torch.equal(active_codes(means, logvars), standardised(torch.from_numpy(means)[:, [0, 2]]))
    assert torch.equal(active_codes(means, np.zeros_like(means)), standardised(torch.from_numpy(means)))


def test_the_gain_is_differentiable_in_the_images() -> None:
    generator = torch.Generator().manual_seed(2)
    codes = torch.randn(50, 2, dtype=torch.float64, generator=generator)
    images = torch.randn(50, 3, dtype=torch.float64, generator=generator).requires_grad_()
    slopes = slopes_at(codes[:5], codes, 1.0)
    assert torch.autograd.gradcheck(lambda x: gain_of_turning(mean_metric(slopes, x), 3.0), (images,))


def test_gradients_equal_those_of_the_published_patterns_bit_for_bit() -> None:
    generator = torch.Generator().manual_seed(0)
    slopes, images = torch.randn(40, 4, 300, generator=generator), torch.randn(300, 192, generator=generator)

    def gradient(gain: Callable[[Tensor], Tensor]) -> Tensor:
        leaf = images.clone().requires_grad_()
        gain(mean_metric(slopes, leaf)).backward()
        assert leaf.grad is not None
        return leaf.grad

    def as_published(metric: Tensor) -> Tensor:
        floored = metric + 3.0 * torch.eye(len(metric))
        return torch.log(metric.diagonal() + 3.0).sum() - torch.linalg.slogdet(floored).logabsdet

    assert torch.equal(gradient(lambda metric: gain_of_turning(metric, 3.0)), gradient(as_published))
