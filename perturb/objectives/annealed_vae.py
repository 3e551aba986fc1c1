"""AnnealedVAE (Burgess et al. 2018), as in disentanglement_lib."""

from torch import Tensor

from perturb.config.objectives import AnnealedVAEConfig
from perturb.objectives.vae import VAE
from perturb.random.philox import StepRNG


class AnnealedVAE(VAE[AnnealedVAEConfig]):
    """Minimises reconstruction + γ · |KL − C(step)|."""

    def regulariser(self, terms: dict[str, Tensor], draws: StepRNG) -> Tensor:
        """Return γ · |KL − C|. C grows linearly from 0 to its maximum and stays there."""
        progress = (draws.step / self.config.annealing_steps).clamp(max=1.0)
        return self.config.gamma * (terms["kl"] - self.config.max_capacity * progress).abs()
