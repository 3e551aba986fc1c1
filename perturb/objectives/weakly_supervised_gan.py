"""The weakly supervised GAN of Shu et al. (2020), full sharing: each pair shares one factor, and its label names it."""

import math

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from perturb.config.objectives import WeaklySupervisedGANConfig
from perturb.datasets import FactorGrid
from perturb.models import ARCHITECTURES
from perturb.models.gan import PairDiscriminator, generator, image_encoder
from perturb.models.layers import with_float32_input, with_float32_output
from perturb.objectives.losses import binary_loss
from perturb.objectives.objective import Objective
from perturb.objectives.pairs import matched_pairs
from perturb.objectives.posterior import DiagonalGaussian
from perturb.random.philox import StepRNG

BETAS = 0.5, 0.999
SMALLEST_SCALE = 1e-8


class WeaklySupervisedGAN(Objective[WeaklySupervisedGANConfig]):
    """A generator against a discriminator of labelled pairs, and an encoder that learns to invert the generator.

    Discriminator and encoder step first, then the generator with fresh codes. Unit i of the code stands for factor i, so
    there are as many units as factors. The code of a real image is the encoder's mean, although the encoder never sees real
    images in training.
    """

    def new_networks(self, restarts: int, channels: int, latents: int) -> dict[str, nn.Module]:
        """Build generator, discriminator and encoder."""
        size = ARCHITECTURES[self.training.architecture].image_size
        sizes = restarts, channels, latents, size
        return {
            "generator": with_float32_input(generator(*sizes), self.dtype),
            "discriminator": PairDiscriminator(*sizes, width=self.config.discriminator_width),
            "encoder": with_float32_output(image_encoder(*sizes)),
        }

    def new_optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """Build one Adam optimiser per network."""
        rate = self.training.learning_rate
        return {name: self.new_adam(network.parameters(), rate, BETAS) for name, network in self.networks.items()}

    def batch(self, draws: StepRNG, grid: FactorGrid, size: int) -> Tensor:
        """Draw pairs that share a factor."""
        first, second, _ = matched_pairs(grid, draws, size // 2)
        return torch.cat([first, second], dim=1)

    def drawn(self, codes: Tensor) -> Tensor:
        """Return the generator's images, float32."""
        return self._generated(codes).float()

    def posterior(self, images: Tensor) -> DiagonalGaussian:
        """Return the encoder's Gaussian. Its scale is softplus + 1e-8."""
        mean, raw = self.networks["encoder"](images.to(self.dtype)).chunk(2, dim=2)
        return DiagonalGaussian(mean, 2 * torch.log(functional.softplus(raw) + SMALLEST_SCALE))

    def update(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """Update all networks and return their losses.

        They are `loss` (the encoder's negative log-likelihood of codes, mean over the batch), `discriminator` and
        `generator`.
        """
        first, second = images.chunk(2, dim=1)
        shared = draws.integers("shared", self.latents, first.shape[1])
        encoder, discriminator = self._update_critics(first, second, shared, draws)
        return {"loss": encoder, "discriminator": discriminator, "generator": self._update_generator(shared.shape[1], draws)}

    def _update_critics(self, first: Tensor, second: Tensor, shared: Tensor, draws: StepRNG) -> tuple[Tensor, Tensor]:
        codes, other, label = self._codes("critics", first.shape[1], draws)
        with torch.no_grad():
            fake, other_fake = self._generated(codes), self._generated(other)
        discriminate = self.networks["discriminator"]
        both = discriminate(
            torch.cat([first.to(self.dtype), fake], dim=1),
            torch.cat([second.to(self.dtype), other_fake], dim=1),
            torch.cat([shared, label], dim=1),
        )
        real, generated = both.chunk(2, dim=1)
        discriminator = (binary_loss(real, positive=True) + binary_loss(generated, positive=False)) / 2
        encoder = negative_log_likelihood(self.posterior(fake), codes)
        for name in ("discriminator", "encoder"):
            self.optimisers[name].zero_grad()
        (discriminator + encoder).sum().backward()
        for name in ("discriminator", "encoder"):
            self.optimisers[name].step()
        return encoder.detach(), discriminator.detach()

    def _update_generator(self, count: int, draws: StepRNG) -> Tensor:
        """Update the generator on the non-saturating loss. The discriminator's weights are fixed and get no gradients."""
        codes, other, label = self._codes("generator", count, draws)
        discriminator = self.networks["discriminator"]
        fixed = {name: weight.detach() for name, weight in discriminator.named_parameters()}
        logits = functional_call(discriminator, fixed, (self._generated(codes), self._generated(other), label))
        loss = binary_loss(logits, positive=True)
        self.optimisers["generator"].zero_grad()
        loss.sum().backward()
        self.optimisers["generator"].step()
        return loss.detach()

    def _codes(self, name: str, count: int, draws: StepRNG) -> tuple[Tensor, Tensor, Tensor]:
        """Draw two codes per pair that agree in one unit, and return the number of that unit as well."""
        codes = draws.normal(f"{name} first", count, self.latents)
        other = draws.normal(f"{name} second", count, self.latents)
        label = draws.integers(f"{name} shared", self.latents, count)
        agrees = label[..., None] == torch.arange(self.latents, device=label.device)
        return codes, torch.where(agrees, codes, other), label

    def _generated(self, codes: Tensor) -> Tensor:
        return torch.sigmoid(self.networks["generator"](codes))


def negative_log_likelihood(posterior: DiagonalGaussian, codes: Tensor) -> Tensor:
    """Return −log N(z; E(G(z))) in nats, sum over units, batch mean: (restarts,)."""
    mean, logvar = posterior.mean, posterior.logvar
    per_unit = (codes - mean).square() * torch.exp(-logvar) + logvar + math.log(2 * math.pi)
    return 0.5 * per_unit.sum(dim=2).mean(dim=1)
