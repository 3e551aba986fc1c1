import numpy as np
import pytest
import torch

from perturb.config import AutoencoderConfig, BetaVAEConfig, ObjectiveConfig, TrainingConfig
from perturb.datasets.mini import Mini
from perturb.objectives import OBJECTIVES, Objective
from perturb.objectives.losses import bernoulli_loss, gaussian_kl
from perturb.training.batches import Pixels

CONFIGS = {"beta_vae": BetaVAEConfig(beta=2.0), "autoencoder": AutoencoderConfig()}
TRAINING = TrainingConfig(architecture="conv32", learning_rate=1e-3)


def _objective(config: ObjectiveConfig, training: TrainingConfig = TRAINING) -> Objective:
    generator = torch.Generator().manual_seed(0)
    return OBJECTIVES[config.kind](config, training, channels=3, latents=4, generator=generator, device="cpu")


def _images(count: int) -> torch.Tensor:
    return Pixels(Mini().images(np.arange(count) * 37 % 4096)).batch(np.arange(count))


def test_every_method_is_tested() -> None:
    assert set(CONFIGS) == set(OBJECTIVES)
    assert all(config.kind == kind for kind, config in CONFIGS.items())


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_three_hundred_steps_on_a_tiny_set_lower_the_loss(kind: str) -> None:
    torch.set_num_threads(1)
    objective, images = _objective(CONFIGS[kind]), _images(16)
    generator = torch.Generator().manual_seed(1)
    losses = [objective.update(images, generator=generator)["loss"].item() for _ in range(300)]
    assert np.mean(losses[-10:]) < 0.9 * losses[0]


def test_beta_vae_weighs_the_kl_by_beta() -> None:
    objective, images = _objective(BetaVAEConfig(beta=3.0)), _images(4)
    terms = objective.losses(images, generator=torch.Generator().manual_seed(5))
    posterior = objective.posterior(images)
    logits = objective.logits(posterior.sample(generator=torch.Generator().manual_seed(5)))
    expected = bernoulli_loss(logits, images) + 3.0 * gaussian_kl(posterior)
    assert terms["loss"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_autoencoder_uses_no_noise() -> None:
    objective, images = _objective(AutoencoderConfig()), _images(4)
    losses = [objective.losses(images, generator=torch.Generator().manual_seed(seed))["loss"] for seed in (1, 2)]
    assert torch.equal(*losses)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_bfloat16_keeps_losses_and_codes_in_float32_and_close(kind: str) -> None:
    half = _objective(CONFIGS[kind], TRAINING.model_copy(update={"precision": "bfloat16"}))
    full, images = _objective(CONFIGS[kind]), _images(8)
    assert half.posterior(images).mean.dtype == torch.float32
    a, b = (o.losses(images, generator=torch.Generator().manual_seed(0))["loss"].item() for o in (half, full))
    assert a == pytest.approx(b, rel=0.02)
