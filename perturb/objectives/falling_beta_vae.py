"""A β-VAE with a β that decreases during training (ours)."""

from torch import Tensor

from perturb.config.objectives import FallingBetaVAEConfig
from perturb.objectives.vae import VAE
from perturb.random.philox import StepRNG


class FallingBetaVAE(VAE[FallingBetaVAEConfig]):
    """Minimises reconstruction + β(step) · KL."""

    def regulariser(self, terms: dict[str, Tensor], draws: StepRNG) -> Tensor:
        """Return β · KL. β is constant at first, then decreases linearly to its final value and stays there."""
        progress = ((draws.step - self.config.hold) / self.config.fall).clamp(0.0, 1.0)
        return (self.config.first_beta + (self.config.beta - self.config.first_beta) * progress) * terms["kl"]
