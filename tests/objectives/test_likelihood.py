"""Likelihoods, and every method with a likelihood, on vectors."""

import math

import pytest
import torch
from torch.distributions import Normal

from perturb.config import TrainingConfig
from perturb.config.loading import canonical_json
from perturb.config.objectives import METHODS, FallingBetaVAEConfig
from perturb.config.training import GaussianConfig
from perturb.objectives import OBJECTIVES, Objective
from perturb.objectives.likelihood import Bernoulli, Gaussian
from perturb.objectives.losses import gaussian_loss
from perturb.random.philox import CounterRNG

SEEDS = [5, 6, 7]
WITH_A_LIKELIHOOD = sorted(set(OBJECTIVES) - {"pcl", "weakly_supervised_gan"})


def _training(variance: float | str = 0.5, **settings: object) -> TrainingConfig:
    return TrainingConfig(
        architecture="linear", likelihood=GaussianConfig(variance=variance), learning_rate=1e-2, **settings
    )


def _objective(kind: str, training: TrainingConfig, seeds: list[int]) -> Objective:
    config = FallingBetaVAEConfig(first_beta=8.0, hold=1, fall=2) if kind == "falling_beta_vae" else METHODS[kind]()
    return OBJECTIVES[kind](config, training, channels=3, latents=2, seeds=seeds, device="cpu")


def _vectors(restarts: int = 1, n: int = 8) -> torch.Tensor:
    one = 5 * torch.randn(n, 1, 1, 3, generator=torch.Generator().manual_seed(0))
    return one.expand(restarts, n, 1, 1, 3)


def _terms(kind: str, training: TrainingConfig) -> dict[str, torch.Tensor]:
    draws = CounterRNG(SEEDS[:1])
    draws.set_step(0)
    return _objective(kind, training, SEEDS[:1]).update(_vectors(), draws)


def test_the_gaussian_loss_is_the_negative_log_density() -> None:
    generator = torch.Generator().manual_seed(0)
    means, values = torch.randn(2, 2, 4, 3, 3, 1, generator=generator, dtype=torch.float64)
    logvar = torch.tensor([0.3, -1.2], dtype=torch.float64)
    densities = Normal(means, torch.exp(logvar / 2).view(2, 1, 1, 1, 1)).log_prob(values)
    assert torch.allclose(gaussian_loss(means, values, logvar), -densities.flatten(2).sum(dim=2).mean(dim=1))


def test_a_variance_of_one_half_gives_the_squared_error_up_to_a_constant() -> None:
    means, values = torch.randn(2, 1, 5, 1, 1, 4, generator=torch.Generator().manual_seed(0))
    squared = (means - values).square().sum(dim=(2, 3, 4)).mean(dim=1)
    found = Gaussian(1, GaussianConfig()).loss(means, values)
    assert torch.allclose(found, squared + 2 * math.log(math.pi))


def test_the_optimal_learnt_variance_is_the_mean_squared_error() -> None:
    means, values = 3 * torch.randn(2, 2, 50, 1, 1, 4, generator=torch.Generator().manual_seed(0))
    law = Gaussian(2, GaussianConfig(variance="learnt"))
    with torch.no_grad():
        law.logvar.copy_((means - values).square().mean(dim=(1, 2, 3, 4)).log())
    law.loss(means, values).sum().backward()
    assert law.logvar.grad is not None
    assert torch.allclose(law.logvar.grad, torch.zeros(2), atol=1e-4)


def test_a_fixed_variance_stays_and_a_learnt_one_moves_away_from_one() -> None:
    for variance, moves in ((0.3, False), ("learnt", True)):
        objective, draws = _objective("vae", _training(variance), SEEDS), CounterRNG(SEEDS)
        law = objective.likelihood
        assert isinstance(law, Gaussian)
        assert torch.allclose(law.logvar.exp(), torch.full((3,), 1.0 if moves else 0.3))
        draws.set_step(0)
        objective.update(_vectors(3), draws)
        assert (law.logvar.detach().exp() != pytest.approx(1.0 if moves else 0.3)) == moves


@pytest.mark.parametrize("kind", WITH_A_LIKELIHOOD)
def test_every_reconstruction_uses_the_configured_likelihood(kind: str) -> None:
    """The squared error of the same decoder is recovered under two variances."""
    errors = []
    for variance in (0.5, 2.0):
        constant = 1.5 * math.log(2 * math.pi * variance)
        errors.append(2 * variance * (_terms(kind, _training(variance))["reconstruction"].item() - constant))
    assert errors[0] == pytest.approx(errors[1], rel=1e-4)
    assert errors[0] > 1


@pytest.mark.parametrize("optimiser", ["adam", "adagrad"])
@pytest.mark.parametrize("kind", WITH_A_LIKELIHOOD)
def test_every_trainable_weight_is_updated_with_a_learnt_variance(kind: str, optimiser: str) -> None:
    objective, draws = _objective(kind, _training("learnt", optimiser=optimiser), SEEDS[:1]), CounterRNG(SEEDS[:1])
    before = {name: weight.detach().clone() for name, weight in objective.networks.named_parameters()}
    for step in range(3):
        draws.set_step(step)
        objective.update(_vectors(), draws)
    still = {name for name, weight in objective.networks.named_parameters() if torch.equal(before[name], weight)}
    assert still == ({name for name in before if ".logvar." in name} if kind == "autoencoder" else set())


def test_drawn_images_are_the_mean_of_the_likelihood() -> None:
    codes = torch.randn(1, 4, 2, generator=torch.Generator().manual_seed(0))
    gaussian, bernoulli = (
        _objective("vae", _training(), SEEDS[:1]),
        _objective("vae", TrainingConfig(architecture="linear"), SEEDS[:1]),
    )
    assert isinstance(bernoulli.likelihood, Bernoulli)
    assert torch.equal(gaussian.drawn(codes), gaussian.logits(codes))
    assert torch.equal(bernoulli.drawn(codes), torch.sigmoid(gaussian.logits(codes)))


@pytest.mark.parametrize("kind", ["pcl", "weakly_supervised_gan"])
def test_methods_without_a_decoder_of_codes_have_no_likelihood(kind: str) -> None:
    training = TrainingConfig(architecture="conv32", likelihood=GaussianConfig(variance="learnt"))
    assert "likelihood" not in _objective(kind, training, SEEDS[:1]).networks


@pytest.mark.parametrize("size", [3, 4, 16, 50])
def test_adagrad_steps_are_bit_identical_alone_and_stacked(size: int) -> None:
    objective = _objective("vae", _training(optimiser="adagrad"), SEEDS)
    generator = torch.Generator().manual_seed(0)
    start, gradients = torch.randn(3, size, generator=generator), torch.randn(5, 3, size, generator=generator)
    found = []
    for chosen in (slice(0, 3), slice(1, 2)):
        weight = torch.nn.Parameter(start[chosen].clone())
        (adagrad,) = objective.new_optimiser([weight]).values()
        for gradient in gradients:
            weight.grad = gradient[chosen].clone()
            adagrad.step()
        found.append(weight.detach())
    assert torch.equal(found[0][1:2], found[1])
    assert not torch.equal(found[1], start[1:2])


def test_adagrad_divides_by_the_root_of_the_summed_squares() -> None:
    weight = torch.nn.Parameter(torch.zeros(1, 1))
    (adagrad,) = _objective("vae", _training(optimiser="adagrad"), SEEDS).new_optimiser([weight]).values()
    for gradient in (3.0, 4.0):
        weight.grad = torch.tensor([[gradient]])
        adagrad.step()
    assert weight.item() == pytest.approx(-1e-2 * (1 + 4 / 5))


def test_unused_settings_do_not_appear_in_a_config() -> None:
    plain = TrainingConfig(architecture="conv32")
    assert canonical_json(plain) == canonical_json(plain.model_copy(update={"optimiser": "adam", "likelihood": None}))
    assert not {"optimiser", "likelihood"} & set(plain.model_dump())
    chosen = plain.model_copy(update={"optimiser": "adagrad", "likelihood": GaussianConfig(variance="learnt")})
    assert TrainingConfig.model_validate_json(chosen.model_dump_json()) == chosen
