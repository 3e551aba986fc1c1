"""β-VAE_Σ (thesis 3.2.7): a control without the diagonal approximation, to which disentanglement is attributed."""

import torch
from torch import Tensor, nn

from perturb.config.objectives import FullCovarianceVAEConfig
from perturb.models.gaussian_head import FullGaussianHead, GaussianHead
from perturb.objectives.posterior import FullGaussian
from perturb.objectives.vae import VAE
from perturb.random.philox import StepRNG


class FullCovarianceVAE(VAE[FullCovarianceVAEConfig]):
    """Minimises reconstruction + β · KL with a full covariance. The code is the posterior mean."""

    def new_networks(self, restarts: int, channels: int, latents: int) -> dict[str, nn.Module]:
        """Build the same networks, with a head that also outputs the Cholesky factor's entries below the diagonal."""
        networks = super().new_networks(restarts, channels, latents)
        encoder = networks["encoder"]
        assert isinstance(encoder, nn.Sequential)
        head = encoder[-1]
        assert isinstance(head, GaussianHead)
        encoder[-1] = FullGaussianHead(restarts, head.features, latents)
        return networks

    def posterior(self, images: Tensor) -> FullGaussian:
        """Return the posterior by its mean and Cholesky factor."""
        statistics = self.networks["encoder"](images.to(self.dtype))
        mean, logvar, below = statistics.split([self.latents, self.latents, statistics.shape[2] - 2 * self.latents], dim=2)
        factor = torch.diag_embed(torch.exp(logvar / 2))
        rows, columns = torch.tril_indices(self.latents, self.latents, offset=-1, device=factor.device)
        factor[..., rows, columns] = below
        return FullGaussian(mean, factor)

    def regulariser(self, terms: dict[str, Tensor], draws: StepRNG) -> Tensor:
        """Return β · KL."""
        return self.config.beta * terms["kl"]
