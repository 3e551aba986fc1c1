"""Models of vectors trained in parallel, and inspected on the way without changing the training."""

import numpy as np
import pytest
import torch

from perturb.analysis.linear_training import trained_decoders, training_of
from perturb.analysis.vector_training import trained
from perturb.config import TrainingConfig
from perturb.config.objectives import BetaVAEConfig, VAEConfig
from perturb.config.training import GaussianConfig
from perturb.datasets.synthetic import gaussian, linear
from perturb.errors import UserError
from perturb.models.layers import Linear
from perturb.objectives import Objective

SETS = [linear(ratio).samples(0, 500) for ratio in (1.0, 2.0)]
TRAINING = TrainingConfig(
    architecture="linear", steps=30, batch_size=32, learning_rate=1e-2, checkpoint_every=30, likelihood=GaussianConfig()
)
CLOUD = gaussian((4.0, 1.0, 0.04), seed=0, n=300)
SHORT = training_of(0.25, steps=20, batch_size=16)


def _trained(numbers: tuple[int, ...] = (0, 1), rates: tuple[float, ...] = ()) -> Objective:
    sets = [SETS[number] for number in numbers]
    return trained(sets, BetaVAEConfig(beta=0.1), TRAINING, latents=2, seeds=[7 + n for n in numbers], rates=rates)


def _weights(model: Objective) -> np.ndarray:
    return torch.cat([weight.flatten(1) for weight in model.networks["decoder"].parameters()], dim=1).numpy()


def test_each_restart_learns_from_its_own_set_as_if_it_were_alone() -> None:
    together, alone = _weights(_trained()), [_weights(_trained((number,)))[0] for number in (0, 1)]
    assert together == pytest.approx(np.stack(alone), abs=1e-5)
    assert not np.allclose(together[0], together[1], atol=1e-2)


def test_learning_rates_are_applied_one_after_another() -> None:
    once = _weights(_trained(rates=(1e-2,)))
    assert np.array_equal(once, _weights(_trained()))
    assert np.array_equal(once, _weights(_trained(rates=(1e-2, 0.0))))
    assert not np.allclose(once, _weights(_trained(rates=(1e-2, 1e-2))), atol=1e-2)


def _decoder(model: Objective) -> torch.Tensor:
    layer = next(layer for layer in model.networks["decoder"].modules() if isinstance(layer, Linear))
    return layer.weight.detach().clone()


def test_inspecting_models_at_the_requested_steps_does_not_change_the_training() -> None:
    seen: dict[int, torch.Tensor] = {}

    def look(step: int, model: Objective) -> None:
        assert not model.networks.training
        seen[step] = _decoder(model)

    model = trained([CLOUD] * 2, VAEConfig(), SHORT, latents=2, seeds=[0, 1], steps=(1, 7, 20, 99), look=look)
    assert list(seen) == [1, 7, 20]
    assert torch.equal(seen[20], _decoder(model))
    assert not torch.equal(seen[1], seen[7])
    assert not model.networks.training
    unseen = trained_decoders(CLOUD, VAEConfig(), SHORT, latents=2, seeds=[0, 1])
    assert torch.equal(torch.from_numpy(unseen).mT, seen[20].double())


def test_a_beta_vae_learns_the_same_as_a_vae_with_beta_times_the_variance() -> None:
    """Theorem 3 of Allen (2024), with Adam. A power of 2 as β avoids different rounding."""
    vae = trained([CLOUD], VAEConfig(), SHORT, latents=2, seeds=[0])
    beta_vae = trained([CLOUD], BetaVAEConfig(beta=4.0), training_of(0.0625, steps=20, batch_size=16), latents=2, seeds=[0])
    other = trained([CLOUD], VAEConfig(), training_of(0.0625, steps=20, batch_size=16), latents=2, seeds=[0])
    assert torch.allclose(_decoder(vae), _decoder(beta_vae), rtol=0, atol=1e-5)
    assert not torch.allclose(_decoder(vae), _decoder(other), rtol=0, atol=1e-2)


def test_a_diverging_training_is_reported() -> None:
    wild = SHORT.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(UserError, match=r"vae, linear: the .* was .* at step \d+ .*; lower learning_rate, which is 1e\+30"):
        trained([CLOUD], VAEConfig(), wild, latents=2, seeds=[0])
