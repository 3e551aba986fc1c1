"""β-VAE (Higgins et al. 2017), as in disentanglement_lib."""

from torch import Tensor

from perturb.objectives.vae import VAE
from perturb.random.philox import Draws


class BetaVAE(VAE):
    """reconstruction + β · KL."""

    def regulariser(self, terms: dict[str, Tensor], draws: Draws) -> Tensor:
        """β · KL."""
        return self.config.beta * terms["kl"]
