"""The KL divergence in the polarized regime for posteriors with a known value."""

import math

import pytest
import torch

from perturb.objectives.polarized import delta_kl, moving_units, polarized_kl
from perturb.objectives.posterior import DiagonalGaussian

MEANS = torch.tensor([[1.0, 0.4, 0.0], [-1.0, -0.4, 0.0]])[None]
"""Means with standard deviations of 1, 0.4 and 0 over two images."""


def test_a_unit_is_active_if_its_means_deviate_by_more_than_one_half() -> None:
    assert moving_units(MEANS).tolist() == [[1, 0, 0]]
    assert moving_units(MEANS * 0.5 / 0.4 * 1.01).tolist() == [[1, 1, 0]]
    assert moving_units(MEANS[:, :1]).tolist() == [[0, 0, 0]]


def test_precise_active_units_and_passive_ones_at_the_prior_are_polarized() -> None:
    """One unit has σ² = s, the others N(0, 1): the approximation drops s/2 and nothing else."""
    small = 0.01
    posterior = DiagonalGaussian(MEANS * torch.tensor([1, 0, 0]), torch.tensor([math.log(small), 0, 0]).expand(1, 2, 3))
    assert polarized_kl(posterior).item() == pytest.approx(-0.5 * math.log(small))
    assert delta_kl(posterior).item() == pytest.approx(0.5 * small / (-0.5 * math.log(small) + 0.5 * small), rel=1e-4)


def test_the_kl_of_passive_units_counts_as_error() -> None:
    posterior = DiagonalGaussian(MEANS * torch.tensor([0, 1, 0]), torch.zeros(1, 2, 3))
    assert polarized_kl(posterior).item() == 0
    assert delta_kl(posterior).item() == pytest.approx(1)


def test_the_polarized_kl_of_a_restart_is_independent_of_the_others() -> None:
    logvars = torch.full((1, 2, 3), -3.0)
    first, second = DiagonalGaussian(MEANS, logvars), DiagonalGaussian(3 * MEANS, 2 * logvars)
    both = DiagonalGaussian(torch.cat([first.mean, second.mean]), torch.cat([first.logvar, second.logvar]))
    assert delta_kl(both).tolist() == pytest.approx([delta_kl(first).item(), delta_kl(second).item()])
    assert delta_kl(first).item() != pytest.approx(delta_kl(second).item())


@pytest.mark.parametrize(("logvar", "expected"), [(0.0, 0.0), (200.0, 1.0), (float("nan"), 1.0)])
def test_delta_kl_is_finite_for_any_divergence(logvar: float, expected: float) -> None:
    """The KL of the prior itself is 0, and exp(200) is infinite in float32."""
    assert delta_kl(DiagonalGaussian(0 * MEANS, torch.full((1, 2, 3), logvar))).item() == expected
