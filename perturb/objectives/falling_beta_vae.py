"""A β-VAE whose β falls during the training: our own."""

from torch import Tensor

from perturb.config.objectives import FallingBetaVAEConfig
from perturb.objectives.vae import VAE
from perturb.random.philox import StepRNG


class FallingBetaVAE(VAE[FallingBetaVAEConfig]):
    """reconstruction + β(step) · KL."""

    def regulariser(self, terms: dict[str, Tensor], draws: StepRNG) -> Tensor:
        """β is held at its first value, falls in a straight line to its last, and stays there."""
        fallen = ((draws.step - self.config.hold) / self.config.fall).clamp(0.0, 1.0)
        return (self.config.first_beta + (self.config.beta - self.config.first_beta) * fallen) * terms["kl"]
