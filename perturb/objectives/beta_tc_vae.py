"""β-TC-VAE (Chen et al. 2018), with disentanglement_lib's estimator of the total correlation."""

import math

import torch
from torch import Tensor

from perturb.config.objectives import BetaTCVAEConfig
from perturb.objectives.posterior import DiagonalGaussian
from perturb.objectives.vae import VAE
from perturb.random.philox import StepRNG


class BetaTCVAE(VAE[BetaTCVAEConfig]):
    """Minimises reconstruction + KL + (β − 1) · total correlation."""

    def added_terms(self, posterior: DiagonalGaussian, codes: Tensor) -> dict[str, Tensor]:
        """Return `total_correlation`, up to a constant."""
        return {"total_correlation": total_correlation(posterior, codes)}

    def regulariser(self, terms: dict[str, Tensor], draws: StepRNG) -> Tensor:
        """Return KL + (β − 1) · total correlation."""
        return terms["kl"] + (self.config.beta - 1) * terms["total_correlation"]


def total_correlation(posterior: DiagonalGaussian, codes: Tensor) -> Tensor:
    """Estimate the total correlation by minibatch-weighted sampling, in nats, (restarts,).

    It is mean_j [log Σ_i Π_l q_l(z_j|x_i) − Σ_l log Σ_i q_l(z_j|x_i)]. As in disentanglement_lib, the constant (latents − 1)
    · log(batch · images) is left out, so it may be negative.
    """
    mean, logvar = posterior.mean[:, None], posterior.logvar[:, None]
    distance = (codes[:, :, None] - mean).square() * torch.exp(-logvar)
    log_density = -0.5 * (distance + logvar + math.log(2 * math.pi))
    joint = log_density.sum(dim=3).logsumexp(dim=2)
    marginals = log_density.logsumexp(dim=2).sum(dim=2)
    return (joint - marginals).mean(dim=1)
