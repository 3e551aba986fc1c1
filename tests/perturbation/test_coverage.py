import math

import pytest
import torch
from torch import nn

from perturb.perturbation.coverage import entropy_of_effects

FACTORS = torch.cartesian_prod(*[torch.linspace(-1, 1, 7)] * 3)


class Scalar(nn.Module):
    """A network of which only the neuron is used."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def neuron(self, factors: torch.Tensor) -> torch.Tensor:
        return self.function(factors)[:, None]


def _entropy(function) -> float:
    return entropy_of_effects(Scalar(function), FACTORS).item()


def test_the_entropy_is_zero_for_one_factor_and_largest_for_equal_slopes() -> None:
    assert _entropy(lambda w: 3 * w[:, 1]) == pytest.approx(0, abs=1e-5)
    assert _entropy(lambda w: w.sum(dim=1)) == pytest.approx(math.log(3), rel=1e-5)
    assert _entropy(lambda w: w[:, 0] - w[:, 2]) == pytest.approx(math.log(2), rel=1e-5)


def test_a_rapid_oscillation_along_a_factor_adds_no_entropy() -> None:
    assert _entropy(lambda w: w[:, 0] + w[:, 1] + (9 * w[:, 2]).cos()) == pytest.approx(math.log(2), rel=1e-3)
