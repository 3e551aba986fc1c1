"""Every loss against an independent computation."""

import math

import numpy as np
import pytest
import torch
from mini_images import mini_pixels
from torch.distributions import Laplace, MultivariateNormal, Normal, kl_divergence

from perturb.config import ObjectiveConfig, TrainingConfig
from perturb.config.objectives import (
    AnnealedVAEConfig,
    AutoencoderConfig,
    BetaTCVAEConfig,
    BetaVAEConfig,
    DIPVAEConfig,
    FactorVAEConfig,
    FallingBetaVAEConfig,
    FullCovarianceVAEConfig,
    SlowVAEConfig,
    VAEConfig,
)
from perturb.objectives import OBJECTIVES, MinimisedObjective
from perturb.objectives.beta_tc_vae import total_correlation
from perturb.objectives.dip_vae import covariance_of
from perturb.objectives.factor_vae import code_discriminator, log_probabilities, permuted
from perturb.objectives.losses import bernoulli_loss
from perturb.objectives.posterior import DiagonalGaussian
from perturb.objectives.slow_vae import entropy, laplace_cross_entropy, transition_cross_entropy
from perturb.random.philox import CounterRNG

TRAINING = TrainingConfig(architecture="conv32", learning_rate=1e-3)
SEEDS = [5, 6]
LATENTS = 4
IMAGES = mini_pixels().batch(np.arange(12).reshape(2, 6) * 301)


def _objective(config: ObjectiveConfig) -> MinimisedObjective:
    return OBJECTIVES[config.kind](config, TRAINING, channels=3, latents=LATENTS, seeds=SEEDS, device="cpu")


def _posterior(n: int = 6) -> DiagonalGaussian:
    generator = torch.Generator().manual_seed(1)
    return DiagonalGaussian(*torch.randn(2, 2, n, LATENTS, generator=generator).unbind(0))


def _terms_by_hand(objective: MinimisedObjective, draws: CounterRNG) -> tuple[torch.Tensor, torch.Tensor]:
    """Reconstruction and KL computed with torch's own distributions."""
    posterior = objective.posterior(IMAGES)
    codes = posterior.sample(draws.normal("posterior", 6, LATENTS))
    if hasattr(posterior, "factor"):
        prior = MultivariateNormal(torch.zeros(LATENTS), torch.eye(LATENTS))
        kl = kl_divergence(MultivariateNormal(posterior.mean, scale_tril=posterior.factor), prior)
    else:
        kl = kl_divergence(Normal(posterior.mean, torch.exp(posterior.logvar / 2)), Normal(0.0, 1.0)).sum(dim=2)
    return bernoulli_loss(objective.logits(codes), IMAGES), kl.mean(dim=1)


@pytest.mark.parametrize(
    ("config", "weight"), [(VAEConfig(), 1.0), (BetaVAEConfig(beta=3.0), 3.0), (FullCovarianceVAEConfig(beta=3.0), 3.0)]
)
def test_the_loss_is_reconstruction_plus_weighted_kl(config: ObjectiveConfig, weight: float) -> None:
    objective, draws = _objective(config), CounterRNG(SEEDS)
    reconstruction, kl = _terms_by_hand(objective, draws)
    terms = objective.losses(IMAGES, draws)
    assert torch.allclose(terms["kl"], kl, rtol=1e-4)
    assert torch.allclose(terms["loss"], reconstruction + weight * kl, rtol=1e-6)


def test_the_autoencoder_uses_no_noise() -> None:
    objective, draws = _objective(AutoencoderConfig()), CounterRNG(SEEDS)
    first = objective.losses(IMAGES, draws)["loss"]
    draws.set_step(1)
    assert torch.equal(first, objective.losses(IMAGES, draws)["loss"])


def test_the_total_correlation_equals_a_double_loop() -> None:
    posterior = _posterior()
    codes = posterior.sample(torch.randn(2, 6, LATENTS))
    expected = torch.zeros(2)
    for r in range(2):
        for j in range(6):
            logs = [
                Normal(posterior.mean[r, i], torch.exp(posterior.logvar[r, i] / 2)).log_prob(codes[r, j]) for i in range(6)
            ]
            density = torch.stack(logs).exp()
            expected[r] += (density.prod(dim=1).sum().log() - density.sum(dim=0).log().sum()) / 6
    assert torch.allclose(total_correlation(posterior, codes), expected, rtol=1e-4, atol=1e-5)


def test_beta_tc_vae_with_beta_one_is_a_vae() -> None:
    draws = CounterRNG(SEEDS)
    terms = _objective(BetaTCVAEConfig(beta=1.0)).losses(IMAGES, draws)
    assert torch.allclose(terms["loss"], _objective(VAEConfig()).losses(IMAGES, draws)["loss"])
    heavy = _objective(BetaTCVAEConfig(beta=5.0)).losses(IMAGES, draws)
    assert torch.allclose(heavy["loss"], terms["loss"] + 4 * heavy["total_correlation"])


@pytest.mark.parametrize(("step", "capacity"), [(0, 0.0), (50, 10.0), (100, 20.0), (5_000, 20.0)])
def test_the_capacity_of_an_annealed_vae_grows_and_then_stays(step: int, capacity: float) -> None:
    objective, draws = _objective(AnnealedVAEConfig(gamma=7.0, max_capacity=20.0, annealing_steps=100)), CounterRNG(SEEDS)
    draws.set_step(step)
    terms = objective.losses(IMAGES, draws)
    expected = terms["reconstruction"] + 7.0 * (terms["kl"] - capacity).abs()
    assert torch.allclose(terms["loss"], expected)


@pytest.mark.parametrize(("step", "beta"), [(0, 20.0), (100, 20.0), (150, 12.0), (200, 4.0), (5_000, 4.0)])
def test_a_falling_beta_is_held_then_falls_and_then_stays(step: int, beta: float) -> None:
    config = FallingBetaVAEConfig(first_beta=20.0, beta=4.0, hold=100, fall=100)
    objective, draws = _objective(config), CounterRNG(SEEDS)
    draws.set_step(step)
    terms = objective.losses(IMAGES, draws)
    assert torch.allclose(terms["loss"], terms["reconstruction"] + beta * terms["kl"])


def test_the_covariance_equals_numpys_divided_by_n() -> None:
    means = torch.randn(2, 9, LATENTS)
    for found, mean in zip(covariance_of(means), means, strict=True):
        assert np.allclose(found, np.cov(mean.numpy().T, bias=True), atol=1e-6)


@pytest.mark.parametrize(("covariance", "factor"), [("means", 10.0), ("codes", 1.0)])
def test_dip_vae_equals_a_numpy_computation(covariance: str, factor: float) -> None:
    objective, draws = _objective(DIPVAEConfig(covariance=covariance, off_diagonal=2.0)), CounterRNG(SEEDS)
    terms, posterior = objective.losses(IMAGES, draws), objective.posterior(IMAGES)
    for r in range(2):
        matrix = np.cov(posterior.mean[r].detach().numpy().T, bias=True)
        if covariance == "codes":
            matrix = matrix + np.diag(posterior.logvar[r].exp().mean(dim=0).detach().numpy())
        penalty = 0.0
        for i in range(LATENTS):
            for j in range(LATENTS):
                penalty += 2.0 * factor * (matrix[i, i] - 1) ** 2 if i == j else 2.0 * matrix[i, j] ** 2
        assert terms["loss"][r].item() == pytest.approx(
            terms["reconstruction"][r].item() + terms["kl"][r].item() + penalty, rel=1e-5
        )


def test_permuted_codes_keep_the_values_of_every_unit_and_break_their_dependence() -> None:
    codes = torch.arange(2 * 50 * LATENTS, dtype=torch.float32).view(2, 50, LATENTS)
    found = permuted(codes, CounterRNG(SEEDS))
    assert torch.equal(found.sort(dim=1).values, codes)
    orders = (found - codes[:, :1]).div(LATENTS).round()
    assert not torch.equal(orders[..., 0], orders[..., 1])
    assert not torch.equal(orders[0], orders[1])


def test_the_factor_vae_terms_match_a_hand_calculation() -> None:
    objective, draws = _objective(FactorVAEConfig(gamma=3.0)), CounterRNG(SEEDS)
    terms = objective.losses(IMAGES, draws)
    codes = objective.posterior(IMAGES).sample(draws.normal("posterior", 6, LATENTS))
    discriminate = objective.networks["discriminator"]
    true, false = discriminate(codes).softmax(dim=2), discriminate(permuted(codes, draws)).softmax(dim=2)
    correlation = (true[..., 0] / true[..., 1]).log().mean(dim=1)
    assert torch.allclose(terms["total_correlation"], correlation, atol=1e-5)
    assert torch.allclose(terms["loss"], terms["reconstruction"] + terms["kl"] + 3.0 * correlation)
    expected = -(true[..., 0].log().mean(dim=1) + false[..., 1].log().mean(dim=1)) / 2
    assert torch.allclose(terms["discriminator"], expected, atol=1e-5)


def test_the_vae_and_the_discriminator_of_factor_vae_do_not_update_each_other() -> None:
    """An update treats the discriminator as constant for the VAE, and the codes as constant for the discriminator."""
    objective, draws = _objective(FactorVAEConfig(gamma=3.0)), CounterRNG(SEEDS)
    losses = objective.losses(IMAGES, draws)
    vae = [w for name, w in objective.networks.named_parameters() if not name.startswith("discriminator")]
    expected_vae = torch.autograd.grad(losses["loss"].sum(), vae, retain_graph=True)
    discriminator = list(objective.networks["discriminator"].parameters())
    expected_discriminator = torch.autograd.grad(losses["discriminator"].sum(), discriminator)
    objective.update(IMAGES, draws)
    for weight, expected in zip([*vae, *discriminator], [*expected_vae, *expected_discriminator], strict=True):
        assert torch.allclose(weight.grad, expected, rtol=1e-4, atol=1e-6)


def test_the_factor_vae_discriminator_has_disentanglement_libs_size() -> None:
    assert sum(w.numel() for w in code_discriminator(1, 5).parameters()) == 5_013_002
    assert sum(w.numel() for w in code_discriminator(1, 6).parameters()) == 5_014_002


def test_probabilities_are_clipped() -> None:
    found = log_probabilities(torch.tensor([100.0, -100.0])).exp()
    assert found.tolist() == pytest.approx([1 - 1e-6, 1e-6], rel=1e-3)


@pytest.mark.parametrize("distance", [-2.0, 0.0, 0.3])
@pytest.mark.parametrize("std", [0.05, 1.0])
def test_the_laplace_cross_entropy_matches_monte_carlo(distance: float, std: float) -> None:
    generator = torch.Generator().manual_seed(0)
    samples = distance + std * torch.randn(400_000, generator=generator, dtype=torch.float64)
    expected = -Laplace(0.0, 1 / 6.0).log_prob(samples)
    found = laplace_cross_entropy(torch.tensor(distance), torch.tensor(std), 6.0).item()
    assert found == pytest.approx(expected.mean().item(), abs=5 * expected.std().item() / 400_000**0.5)


def test_the_entropy_equals_torchs() -> None:
    posterior = _posterior()
    expected = Normal(posterior.mean, torch.exp(posterior.logvar / 2)).entropy().sum(dim=2).mean(dim=1)
    assert torch.allclose(entropy(posterior), expected, rtol=1e-5)


def test_the_transition_term_includes_both_directions_of_every_pair() -> None:
    posterior, expected = _posterior(), torch.zeros(2)
    std = torch.exp(posterior.logvar / 2)
    for r in range(2):
        for first, second in ((0, 3), (1, 4), (2, 5)):
            for a, b in ((first, second), (second, first)):
                move = posterior.mean[r, a] - posterior.mean[r, b]
                expected[r] += laplace_cross_entropy(move, std[r, a], 6.0).sum() / 3
    assert torch.allclose(transition_cross_entropy(posterior, 6.0), expected, rtol=1e-5)


def test_slow_vae_weights_its_terms_like_the_authors_code() -> None:
    objective, draws = _objective(SlowVAEConfig(beta=2.0)), CounterRNG(SEEDS)
    terms, posterior = objective.losses(IMAGES, draws), objective.posterior(IMAGES)
    reconstruction, kl = _terms_by_hand(objective, draws)
    transition = transition_cross_entropy(posterior, 6.0) - entropy(posterior)
    assert torch.allclose(terms["loss"], 2 * reconstruction + 2.0 * kl + 10.0 * transition, rtol=1e-5)
    normal = 0.5 * (posterior.mean.square() + posterior.logvar.exp() + math.log(2 * math.pi)).sum(dim=2).mean(dim=1)
    assert torch.allclose(kl, normal - entropy(posterior), atol=1e-4)
