"""β-VAE_Σ (thesis 3.2.7): the control without the diagonal approximation, to which disentanglement is ascribed."""

import torch
from torch import Tensor, nn

from perturb.models.gaussian_head import FullGaussianHead
from perturb.objectives.beta_vae import BetaVAE
from perturb.objectives.posterior import FullGaussian


class FullCovarianceVAE(BetaVAE):
    """reconstruction + β · KL with a full covariance; read out by the posterior mean."""

    def new_networks(self, restarts: int, channels: int, latents: int) -> dict[str, nn.Module]:
        """The same networks, with a head that also says what lies below the Cholesky factor's diagonal."""
        networks = super().new_networks(restarts, channels, latents)
        encoder = networks["encoder"]
        encoder[-1] = FullGaussianHead(restarts, encoder[-1].features, latents)
        return networks

    def posterior(self, images: Tensor) -> FullGaussian:
        """Mean and Cholesky factor."""
        statistics = self.networks["encoder"](images.to(self.dtype))
        mean, logvar, below = statistics.split([self.latents, self.latents, statistics.shape[2] - 2 * self.latents], dim=2)
        factor = torch.diag_embed(torch.exp(logvar / 2))
        rows, columns = torch.tril_indices(self.latents, self.latents, offset=-1, device=factor.device)
        factor[..., rows, columns] = below
        return FullGaussian(mean, factor)
