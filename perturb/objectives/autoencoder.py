"""Autoencoder on the same networks: the baseline whose codes have no reason to align with anything."""

import torch
from torch import Tensor

from perturb.draws import Draws
from perturb.objectives.losses import Posterior, bernoulli_loss
from perturb.objectives.objective import Objective


class Autoencoder(Objective):
    """Reconstruction only; the code is the encoder's mean, and its log-variances are fixed at minus infinity's stand-in.

    The posterior it answers has the variance exp(-20), so that every unit counts as active.
    """

    def posterior(self, images: Tensor) -> Posterior:
        """A point estimate in the shape of a posterior."""
        mean = super().posterior(images).mean
        return Posterior(mean, torch.full_like(mean, -20.0))

    def losses(self, images: Tensor, draws: Draws) -> dict[str, Tensor]:
        """`loss` and `reconstruction`, equal here."""
        reconstruction = bernoulli_loss(self.logits(self.posterior(images).mean), images)
        return {"loss": reconstruction, "reconstruction": reconstruction}
