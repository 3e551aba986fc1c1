import numpy as np
import pytest
import torch

from perturb.config import AutoencoderConfig, BetaVAEConfig, ObjectiveConfig, TrainingConfig
from perturb.datasets.mini import Mini
from perturb.draws import Draws
from perturb.objectives import OBJECTIVES, Objective
from perturb.objectives.losses import bernoulli_loss, gaussian_kl
from perturb.training.batches import Pixels

CONFIGS = {"beta_vae": BetaVAEConfig(beta=2.0), "autoencoder": AutoencoderConfig()}
TRAINING = TrainingConfig(architecture="conv32", learning_rate=1e-3)
SEEDS = [5, 6, 7]


def _objective(config: ObjectiveConfig, seeds: list[int], training: TrainingConfig = TRAINING) -> Objective:
    return OBJECTIVES[config.kind](config, training, channels=3, latents=4, seeds=seeds, device="cpu")


def _images(count: int, restarts: int = 1) -> torch.Tensor:
    pixels = Pixels(Mini().images(np.arange(4096)))
    return pixels.batch(np.arange(restarts * count).reshape(restarts, count) * 37 % 4096)


def test_every_method_is_tested() -> None:
    assert set(CONFIGS) == set(OBJECTIVES)
    assert all(config.kind == kind for kind, config in CONFIGS.items())


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_three_hundred_steps_on_a_tiny_set_lower_the_loss(kind: str) -> None:
    torch.set_num_threads(1)
    objective, images, draws = _objective(CONFIGS[kind], SEEDS[:1]), _images(16), Draws(SEEDS[:1])
    losses = []
    for step in range(300):
        draws.seek(step)
        losses.append(objective.update(images, draws)["loss"].item())
    assert np.mean(losses[-10:]) < 0.9 * losses[0]


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_a_restart_is_the_same_alone_and_among_others(kind: str) -> None:
    images, found = _images(8, restarts=len(SEEDS)), []
    for chosen in ([0, 1, 2], [1]):
        seeds = [SEEDS[k] for k in chosen]
        objective, draws = _objective(CONFIGS[kind], seeds), Draws(seeds)
        for step in range(5):
            draws.seek(step)
            terms = objective.update(images[chosen], draws)
        mine = chosen.index(1)
        weights = torch.cat([w[mine].detach().reshape(-1) for w in objective.networks.parameters()])
        found.append((weights, torch.stack([value[mine] for value in terms.values()])))
    for together, alone in zip(*found, strict=True):
        assert torch.allclose(together, alone, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_restarts_start_differently_and_do_not_touch_each_other(kind: str) -> None:
    objective, images = _objective(CONFIGS[kind], SEEDS), _images(4, restarts=len(SEEDS))
    before = [w.detach().clone() for w in objective.networks.parameters()]
    assert not torch.equal(before[0][0], before[0][1])
    objective.losses(images, Draws(SEEDS))["loss"][1].backward()
    for weight in objective.networks.parameters():
        assert weight.grad is None or not weight.grad[[0, 2]].any()


def test_beta_vae_weighs_the_kl_by_beta() -> None:
    objective, images, draws = _objective(BetaVAEConfig(beta=3.0), SEEDS[:1]), _images(4), Draws(SEEDS[:1])
    terms = objective.losses(images, draws)
    posterior = objective.posterior(images)
    logits = objective.logits(posterior.sample(draws.normal("posterior", 4, 4)))
    expected = bernoulli_loss(logits, images) + 3.0 * gaussian_kl(posterior)
    assert terms["loss"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_autoencoder_uses_no_noise() -> None:
    objective, images, draws = _objective(AutoencoderConfig(), SEEDS[:1]), _images(4), Draws(SEEDS[:1])
    first = objective.losses(images, draws)["loss"]
    draws.seek(1)
    assert torch.equal(first, objective.losses(images, draws)["loss"])


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_bfloat16_keeps_losses_and_codes_in_float32_and_close(kind: str) -> None:
    half = _objective(CONFIGS[kind], SEEDS[:1], TRAINING.model_copy(update={"precision": "bfloat16"}))
    full, images = _objective(CONFIGS[kind], SEEDS[:1]), _images(8)
    assert half.posterior(images).mean.dtype == torch.float32
    a, b = (o.losses(images, Draws(SEEDS[:1]))["loss"].item() for o in (half, full))
    assert a == pytest.approx(b, rel=0.02)
