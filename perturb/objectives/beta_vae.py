"""β-VAE (Higgins et al. 2017), as in disentanglement_lib."""

from torch import Tensor

from perturb.config.objectives import BetaVAEConfig
from perturb.objectives.vae import VAE
from perturb.random.philox import StepRNG


class BetaVAE(VAE[BetaVAEConfig]):
    """Minimises reconstruction + β · KL."""

    def regulariser(self, terms: dict[str, Tensor], draws: StepRNG) -> Tensor:
        """Return β · KL."""
        return self.config.beta * terms["kl"]
