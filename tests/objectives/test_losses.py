import math

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence
from torch.nn import functional

from perturb.objectives.losses import bernoulli_floor, bernoulli_loss, binary_loss
from perturb.objectives.posterior import DiagonalGaussian, FullGaussian


def test_the_kl_of_one_unit_matches_a_hand_calculation() -> None:
    posterior = DiagonalGaussian(torch.tensor([[[1.0]]]), torch.tensor([[[math.log(0.25)]]]))
    assert posterior.kl().item() == pytest.approx(0.5 * (1 + 0.25 - math.log(0.25) - 1))


def test_the_kl_is_summed_over_latents_and_averaged_over_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, logvar = torch.randn(2, 7, 5, generator=generator), torch.randn(2, 7, 5, generator=generator)
    expected = kl_divergence(Normal(mean, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(dim=2).mean(dim=1)
    assert torch.allclose(DiagonalGaussian(mean, logvar).kl(), expected, rtol=1e-5)


def test_the_bernoulli_loss_of_one_pixel_matches_a_hand_calculation() -> None:
    logits, image = torch.full((1, 1, 1, 1, 1), math.log(3.0)), torch.ones(1, 1, 1, 1, 1)
    assert bernoulli_loss(logits, image).item() == pytest.approx(-math.log(0.75))


def test_the_bernoulli_loss_is_summed_over_pixels_and_averaged_over_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 4, 8, 8, 3, generator=generator)
    images = torch.randint(2, (2, 4, 8, 8, 3), generator=generator).float()
    expected = -Bernoulli(logits=logits).log_prob(images).flatten(2).sum(dim=2).mean(dim=1)
    assert torch.allclose(bernoulli_loss(logits, images), expected, rtol=1e-5)


def test_the_bernoulli_loss_has_the_gradient_of_its_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, 1, generator=generator, dtype=torch.float64, requires_grad=True)
    images = torch.rand(2, 3, 4, 4, 1, generator=generator, dtype=torch.float64)
    weights = torch.tensor([1.0, -0.5], dtype=torch.float64)
    expected = (functional.softplus(logits) - images * logits).flatten(1).sum(dim=1) / 3
    found = [torch.autograd.grad((loss * weights).sum(), logits)[0] for loss in (bernoulli_loss(logits, images), expected)]
    assert torch.allclose(*found)


def test_the_minimum_bernoulli_loss_of_soft_targets_is_their_entropy() -> None:
    image = torch.full((1, 1, 1, 1, 1), 0.3)
    floor = -(0.3 * math.log(0.3) + 0.7 * math.log(0.7))
    assert bernoulli_loss(torch.logit(image), image).item() == pytest.approx(floor, rel=1e-5)


def test_the_bernoulli_floor_is_the_loss_of_a_perfect_reconstruction() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    levels[0, 0, 0, :2] = 0, 255
    images = torch.from_numpy(levels.astype(np.float64) / 255)[None]
    exactly = torch.logit(images, eps=1e-12)
    assert bernoulli_floor(levels) == pytest.approx(bernoulli_loss(exactly, images).item(), rel=1e-6)
    assert bernoulli_floor(levels) < bernoulli_loss(exactly + 0.1, images).item()


def test_extreme_logits_give_a_finite_loss() -> None:
    logits = torch.tensor([[[-200.0, 200.0]]])
    assert bernoulli_loss(logits, torch.tensor([[[1.0, 0.0]]])).item() == pytest.approx(400.0)


def test_samples_have_the_moments_of_the_posterior() -> None:
    posterior = DiagonalGaussian(torch.full((1, 20_000, 1), 2.0), torch.full((1, 20_000, 1), math.log(0.09)))
    codes = posterior.sample(torch.randn(1, 20_000, 1, generator=torch.Generator().manual_seed(0)))
    assert codes.mean().item() == pytest.approx(2.0, abs=0.01)
    assert codes.std().item() == pytest.approx(0.3, rel=0.03)


def _full(n: int = 5) -> FullGaussian:
    generator = torch.Generator().manual_seed(3)
    factor = torch.randn(2, n, 4, 4, generator=generator, dtype=torch.float64).tril()
    factor.diagonal(dim1=2, dim2=3).abs_().add_(0.1)
    return FullGaussian(torch.randn(2, n, 4, generator=generator, dtype=torch.float64), factor)


def test_the_kl_of_a_full_gaussian_equals_torchs() -> None:
    posterior = _full()
    prior = MultivariateNormal(torch.zeros(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64))
    expected = kl_divergence(MultivariateNormal(posterior.mean, scale_tril=posterior.factor), prior).mean(dim=1)
    assert torch.allclose(posterior.kl(), expected)


def test_a_full_gaussian_with_a_diagonal_factor_equals_a_diagonal_one() -> None:
    mean, logvar = torch.randn(1, 3, 4), torch.randn(1, 3, 4)
    diagonal, full = DiagonalGaussian(mean, logvar), FullGaussian(mean, torch.diag_embed(torch.exp(logvar / 2)))
    noise = torch.randn(1, 3, 4)
    assert torch.allclose(diagonal.kl(), full.kl(), rtol=1e-5)
    assert torch.allclose(diagonal.sample(noise), full.sample(noise))
    assert torch.allclose(diagonal.logvar, full.logvar, atol=1e-5)


def test_samples_of_a_full_gaussian_have_its_covariance() -> None:
    one = _full(1)
    posterior = FullGaussian(one.mean[:1].expand(1, 50_000, 4), one.factor[:1].expand(1, 50_000, 4, 4))
    noise = torch.randn(1, 50_000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    covariance = one.factor[0, 0] @ one.factor[0, 0].T
    found = posterior.sample(noise)[0].T.cov()
    assert torch.allclose(found, covariance, atol=0.05 * covariance.abs().max().item())
    assert torch.allclose(posterior.logvar[0, 0].exp(), covariance.diagonal())


@pytest.mark.parametrize("positive", [True, False])
def test_the_binary_loss_equals_torchs(positive: bool) -> None:
    logits = 3 * torch.randn(2, 7)
    expected = functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, positive), reduction="none")
    assert torch.allclose(binary_loss(logits, positive=positive), expected.mean(dim=1))
