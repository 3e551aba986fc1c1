"""Predictions for images with known cheapest axes."""

import math

import numpy as np
import pytest
import torch

from perturb.analysis.prediction import predict
from perturb.perturbation.local_metric import standardised

SIZES = (12, 12)
FACTORS = np.stack(np.unravel_index(np.arange(144), SIZES), axis=1)
CODES = standardised(torch.from_numpy(FACTORS).float())


def test_images_with_a_separate_direction_for_each_latent_keep_the_axes() -> None:
    images = CODES * torch.tensor([6.0, 3.0])
    found = predict([CODES], FACTORS, images, torch.eye(2), price=1.0, seed=0)
    assert found.gain == pytest.approx(0, abs=0.02)
    assert found.kept > 0.9
    assert found.turned > 0.8


def test_images_whose_strongest_direction_is_the_sum_turn_the_axes_by_45_degrees() -> None:
    half = math.sqrt(0.5)
    mixed = CODES @ torch.tensor([[half, half], [half, -half]])
    found = predict([CODES, CODES], FACTORS, mixed * torch.tensor([6.0, 3.0]), torch.eye(2), price=1.0, seed=0)
    assert found.gain > 0.2
    assert found.kept > 0.9
    assert found.turned < 0.15
    assert (found.gain_in_span, found.turned_in_span) == pytest.approx((found.gain, found.turned), abs=1e-5)


def test_changes_outside_the_directions_do_not_count_within_them() -> None:
    own, pattern = CODES * torch.tensor([6.0, 3.0]), CODES @ torch.tensor([[20.0], [20.0]])
    images, directions = torch.cat([own, pattern], dim=1), torch.eye(3)[:2]
    found = predict([CODES], FACTORS, images, directions, price=1.0, seed=0)
    assert found.turned < 0.15
    assert found.gain_in_span == pytest.approx(0, abs=0.02)
    assert found.turned_in_span > 0.8
