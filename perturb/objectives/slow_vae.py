"""SlowVAE (Klindt et al. 2021), with every term weighted as in its authors' code."""

import math

import torch
from torch import Tensor

from perturb.config.objectives import SlowVAEConfig
from perturb.datasets import FactorGrid
from perturb.objectives.objective import MinimisedObjective
from perturb.objectives.pairs import drawn_pairs
from perturb.objectives.posterior import DiagonalGaussian
from perturb.random.philox import StepRNG


class SlowVAE(MinimisedObjective[SlowVAEConfig]):
    """Minimises 2 · reconstruction + β · KL + γ · (cross-entropy to a Laplace transition − entropy).

    The code is the posterior mean. The first half of a batch holds the first images of its pairs, the second half the second
    ones. The authors' code adds both directions of the transition's cross-entropy but subtracts only one entropy, and counts
    the reconstruction twice; so do we.
    """

    def batch(self, draws: StepRNG, grid: FactorGrid, size: int) -> Tensor:
        """Draw pairs of images from the config's distribution."""
        return torch.cat(drawn_pairs(grid, draws, size // 2, self.config.pairs), dim=1)

    def losses(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """Return `loss`, `reconstruction`, `kl` (means over images), `transition` (cross-entropy over pairs − entropy)."""
        posterior = self.posterior(images)
        assert isinstance(posterior, DiagonalGaussian)
        codes = posterior.sample(draws.normal("posterior", *posterior.mean.shape[1:]))
        reconstruction, kl = self.reconstruction(codes, images), posterior.kl()
        transition = transition_cross_entropy(posterior, self.config.rate) - entropy(posterior)
        loss = 2 * reconstruction + self.config.beta * kl + self.config.gamma * transition
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl, "transition": transition}


def entropy(posterior: DiagonalGaussian) -> Tensor:
    """Return the entropy of the posterior, in nats, mean over images: (restarts,)."""
    return 0.5 * (posterior.logvar + math.log(2 * math.pi * math.e)).sum(dim=2).mean(dim=1)


def transition_cross_entropy(posterior: DiagonalGaussian, rate: float) -> Tensor:
    """Return the cross-entropy to a Laplace around the other image's mean, both ways; sum over units, mean over pairs."""
    (mean_0, mean_1), (logvar_0, logvar_1) = posterior.mean.chunk(2, dim=1), posterior.logvar.chunk(2, dim=1)
    forth = laplace_cross_entropy(mean_0 - mean_1, torch.exp(logvar_0 / 2), rate)
    back = laplace_cross_entropy(mean_1 - mean_0, torch.exp(logvar_1 / 2), rate)
    return (forth + back).sum(dim=2).mean(dim=1)


def laplace_cross_entropy(distance: Tensor, std: Tensor, rate: float) -> Tensor:
    """Return E[−log Laplace(z; rate)] in nats, in closed form, for normal z with mean `distance` and deviation `std`."""
    spread = std * math.sqrt(2 / math.pi) * torch.exp(-distance.square() / (2 * std.square()))
    inside = torch.erf(distance / (std * math.sqrt(2)))
    return -math.log(rate / 2) + rate * (spread + distance * inside)
