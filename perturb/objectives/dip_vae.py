"""DIP-VAE I and II (Kumar et al. 2018), as in disentanglement_lib."""

import torch
from torch import Tensor

from perturb.config.objectives import DIPVAEConfig
from perturb.objectives.posterior import DiagonalGaussian
from perturb.objectives.vae import VAE
from perturb.random.philox import StepRNG

DIAGONAL_BY_OFF_DIAGONAL = {"means": 10.0, "codes": 1.0}


class DIPVAE(VAE[DIPVAEConfig]):
    """Minimises reconstruction + KL + λ_od · Σ_{i≠j} Cov_ij² + λ_d · Σ_i (Cov_ii − 1)²."""

    def added_terms(self, posterior: DiagonalGaussian, codes: Tensor) -> dict[str, Tensor]:
        """Return `off_diagonal` and `diagonal`, unweighted."""
        covariance = covariance_of(posterior.mean)
        if self.config.covariance == "codes":
            covariance = covariance + torch.diag_embed(posterior.logvar.exp().mean(dim=1))
        diagonal = covariance.diagonal(dim1=1, dim2=2)
        off_diagonal = covariance.square().sum(dim=(1, 2)) - diagonal.square().sum(dim=1)
        return {"off_diagonal": off_diagonal, "diagonal": (diagonal - 1).square().sum(dim=1)}

    def regulariser(self, terms: dict[str, Tensor], draws: StepRNG) -> Tensor:
        """Return KL plus both penalties, weighted."""
        weight = self.config.diagonal
        if weight is None:
            weight = DIAGONAL_BY_OFF_DIAGONAL[self.config.covariance] * self.config.off_diagonal
        return terms["kl"] + self.config.off_diagonal * terms["off_diagonal"] + weight * terms["diagonal"]


def covariance_of(means: Tensor) -> Tensor:
    """Return the covariance of means (restarts, n, latents) over the batch, divided by n: (restarts, latents, latents)."""
    centred = means - means.mean(dim=1, keepdim=True)
    return centred.transpose(1, 2) @ centred / means.shape[1]
