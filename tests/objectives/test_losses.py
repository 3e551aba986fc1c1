import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from perturb.objectives.losses import Posterior, bernoulli_loss, gaussian_kl


def test_kl_of_one_unit_by_hand() -> None:
    posterior = Posterior(torch.tensor([[[1.0]]]), torch.tensor([[[math.log(0.25)]]]))
    assert gaussian_kl(posterior).item() == pytest.approx(0.5 * (1 + 0.25 - math.log(0.25) - 1))


def test_kl_sums_over_latents_and_averages_over_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, logvar = torch.randn(2, 7, 5, generator=generator), torch.randn(2, 7, 5, generator=generator)
    expected = kl_divergence(Normal(mean, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(dim=2).mean(dim=1)
    assert torch.allclose(gaussian_kl(Posterior(mean, logvar)), expected, rtol=1e-5)


def test_bernoulli_loss_of_one_pixel_by_hand() -> None:
    logits, image = torch.full((1, 1, 1, 1, 1), math.log(3.0)), torch.ones(1, 1, 1, 1, 1)
    assert bernoulli_loss(logits, image).item() == pytest.approx(-math.log(0.75))


def test_bernoulli_loss_sums_over_pixels_and_averages_over_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 4, 8, 8, 3, generator=generator)
    images = torch.randint(2, (2, 4, 8, 8, 3), generator=generator).float()
    expected = -Bernoulli(logits=logits).log_prob(images).flatten(2).sum(dim=2).mean(dim=1)
    assert torch.allclose(bernoulli_loss(logits, images), expected, rtol=1e-5)


def test_bernoulli_loss_of_soft_targets_bottoms_out_at_their_entropy() -> None:
    image = torch.full((1, 1, 1, 1, 1), 0.3)
    floor = -(0.3 * math.log(0.3) + 0.7 * math.log(0.7))
    assert bernoulli_loss(torch.logit(image), image).item() == pytest.approx(floor, rel=1e-5)


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([[[-200.0, 200.0]]])
    assert bernoulli_loss(logits, torch.tensor([[[1.0, 0.0]]])).item() == pytest.approx(400.0)


def test_samples_have_the_posterior_moments() -> None:
    posterior = Posterior(torch.full((1, 20_000, 1), 2.0), torch.full((1, 20_000, 1), math.log(0.09)))
    codes = posterior.sample(torch.randn(1, 20_000, 1, generator=torch.Generator().manual_seed(0)))
    assert codes.mean().item() == pytest.approx(2.0, abs=0.01)
    assert codes.std().item() == pytest.approx(0.3, rel=0.03)
