"""FactorVAE (Kim and Mnih 2018), as in disentanglement_lib."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from perturb.config.objectives import FactorVAEConfig
from perturb.models.layers import Linear, with_float32_input
from perturb.objectives.objective import Objective
from perturb.random.philox import StepRNG

DISCRIMINATOR_WIDTH, DISCRIMINATOR_DEPTH = 1000, 6
SMALLEST_PROBABILITY = 1e-6
"""disentanglement_lib clips the discriminator's probabilities to [1e-6, 1 − 1e-6]."""


class FactorVAE(Objective[FactorVAEConfig]):
    """Minimises reconstruction + KL + γ · total correlation, estimated by a discriminator of codes and permuted codes.

    VAE and discriminator step together, on gradients of the same forward pass. The permuted codes come from the same batch.
    """

    @property
    def steps_per_update(self) -> int:
        """Number of steps that one update counts as, from the config."""
        return self.config.steps_per_update

    def new_networks(self, restarts: int, channels: int, latents: int) -> dict[str, nn.Module]:
        """Build encoder, decoder, likelihood and discriminator."""
        networks = super().new_networks(restarts, channels, latents)
        return networks | {"discriminator": with_float32_input(code_discriminator(restarts, latents), self.dtype)}

    def new_optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """Build one optimiser for the VAE, and Adam for the discriminator."""
        discriminator = self.networks["discriminator"].parameters()
        return {
            **self.new_optimiser(self._vae()),
            "discriminator": self.new_adam(discriminator, self.config.discriminator_learning_rate, betas=(0.5, 0.9)),
        }

    def _vae(self) -> list[nn.Parameter]:
        others = (network for name, network in self.networks.items() if name != "discriminator")
        return [weight for network in others for weight in network.parameters() if weight.requires_grad]

    def losses(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """Return `loss`, `reconstruction`, `kl`, `total_correlation` in nats per image, and `discriminator`."""
        posterior = self.posterior(images)
        codes = posterior.sample(draws.normal("posterior", *posterior.mean.shape[1:]))
        reconstruction, kl = self.reconstruction(codes, images), posterior.kl()
        from_posterior = self._discriminate(codes)
        from_permuted = self._discriminate(permuted(codes.detach(), draws))
        correlation = (from_posterior[..., 0] - from_posterior[..., 1]).mean(dim=1)
        right = log_probabilities(from_posterior)[..., 0].mean(dim=1) + log_probabilities(from_permuted)[..., 1].mean(dim=1)
        loss = reconstruction + kl + self.config.gamma * correlation
        return {
            "loss": loss,
            "reconstruction": reconstruction,
            "kl": kl,
            "total_correlation": correlation,
            "discriminator": -0.5 * right,
        }

    def _discriminate(self, codes: Tensor) -> Tensor:
        return self.networks["discriminator"](codes).float()

    def update(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """Compute both gradients, then take both steps. Neither side updates the other's weights."""
        losses = self.losses(images, draws)
        for optimiser in self.optimisers.values():
            optimiser.zero_grad()
        losses["loss"].sum().backward(inputs=self._vae(), retain_graph=True)
        losses["discriminator"].sum().backward(inputs=list(self.networks["discriminator"].parameters()))
        for optimiser in self.optimisers.values():
            optimiser.step()
        return {name: value.detach() for name, value in losses.items()}


def permuted(codes: Tensor, draws: StepRNG) -> Tensor:
    """Permute every unit of codes (restarts, n, latents) independently over the batch."""
    orders = draws.permutations("permuted", codes.shape[2], codes.shape[1])
    return codes.gather(1, orders.transpose(1, 2))


def log_probabilities(logits: Tensor) -> Tensor:
    """Return the logarithms of clipped probabilities for logits (..., 2)."""
    return logits.softmax(dim=-1).clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY).log()


def code_discriminator(restarts: int, latents: int) -> nn.Sequential:
    """Build the discriminator: codes (restarts, n, latents) → logits "from the posterior", "permuted" (Kim and Mnih 2018).

    The slope of its leaky ReLUs is 0.2, TensorFlow's default, as in disentanglement_lib. It has 5,013,002 parameters for
    five latents.
    """
    sizes = [latents, *[DISCRIMINATOR_WIDTH] * DISCRIMINATOR_DEPTH]
    hidden = [layer for a, b in pairwise(sizes) for layer in (Linear(restarts, a, b), nn.LeakyReLU(0.2))]
    return nn.Sequential(*hidden, Linear(restarts, DISCRIMINATOR_WIDTH, 2))
