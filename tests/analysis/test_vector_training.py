"""Models of vectors, trained side by side."""

import numpy as np
import pytest
import torch

from perturb.analysis.vector_training import trained
from perturb.config import TrainingConfig
from perturb.config.objectives import BetaVAEConfig
from perturb.config.training import GaussianConfig
from perturb.datasets.synthetic import linear
from perturb.objectives import Objective

SETS = [linear(ratio).samples(0, 500) for ratio in (1.0, 2.0)]
TRAINING = TrainingConfig(
    architecture="linear", steps=30, batch_size=32, learning_rate=1e-2, checkpoint_every=30, likelihood=GaussianConfig()
)


def _trained(numbers: tuple[int, ...] = (0, 1), rates: tuple[float, ...] = ()) -> Objective:
    sets = [SETS[number] for number in numbers]
    return trained(sets, BetaVAEConfig(beta=0.1), TRAINING, latents=2, seeds=[7 + n for n in numbers], rates=rates)


def _weights(model: Objective) -> np.ndarray:
    return torch.cat([weight.flatten(1) for weight in model.networks["decoder"].parameters()], dim=1).numpy()


def test_each_restart_learns_from_its_own_set_as_if_it_were_alone() -> None:
    together, alone = _weights(_trained()), [_weights(_trained((number,)))[0] for number in (0, 1)]
    assert together == pytest.approx(np.stack(alone), abs=1e-5)
    assert not np.allclose(together[0], together[1], atol=1e-2)


def test_rates_follow_each_other() -> None:
    once = _weights(_trained(rates=(1e-2,)))
    assert np.array_equal(once, _weights(_trained()))
    assert np.array_equal(once, _weights(_trained(rates=(1e-2, 0.0))))
    assert not np.allclose(once, _weights(_trained(rates=(1e-2, 1e-2))), atol=1e-2)
