"""β-VAE (Higgins et al. 2017), as in disentanglement_lib: Bernoulli reconstruction + β · KL."""

import torch
from torch import Tensor

from perturb.objectives.losses import bernoulli_loss, gaussian_kl
from perturb.objectives.objective import Objective


class BetaVAE(Objective):
    """reconstruction + β · KL, both in nats per image; read out by the posterior mean."""

    def losses(self, images: Tensor, *, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss`, `reconstruction` and `kl`."""
        posterior = self.posterior(images)
        logits = self.logits(posterior.sample(generator=generator))
        reconstruction, kl = bernoulli_loss(logits, images), gaussian_kl(posterior)
        return {"loss": reconstruction + self.config.beta * kl, "reconstruction": reconstruction, "kl": kl}
