"""Autoencoder with the same networks: a baseline with codes that have no reason to align with anything."""

from torch import Tensor

from perturb.config.objectives import AutoencoderConfig
from perturb.objectives.objective import MinimisedObjective
from perturb.objectives.posterior import DiagonalGaussian, point
from perturb.random.philox import StepRNG


class Autoencoder(MinimisedObjective[AutoencoderConfig]):
    """Minimises the reconstruction only. The code is the encoder's mean; its log-variances are not used."""

    def posterior(self, images: Tensor) -> DiagonalGaussian:
        """Return the code as a point posterior."""
        return point(super().posterior(images).mean)

    def losses(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """Return `loss` and `reconstruction`, which are equal here."""
        reconstruction = self.reconstruction(self.posterior(images).mean, images)
        return {"loss": reconstruction, "reconstruction": reconstruction}
