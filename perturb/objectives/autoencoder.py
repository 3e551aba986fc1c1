"""Autoencoder on the same networks: the baseline whose codes have no reason to align with anything."""

from torch import Tensor

from perturb.config.objectives import AutoencoderConfig
from perturb.objectives.objective import MinimisedObjective
from perturb.objectives.posterior import DiagonalGaussian, point
from perturb.random.philox import StepRNG


class Autoencoder(MinimisedObjective[AutoencoderConfig]):
    """Reconstruction only; the code is the encoder's mean, its log-variances are not used."""

    def posterior(self, images: Tensor) -> DiagonalGaussian:
        """A point in the shape of a posterior."""
        return point(super().posterior(images).mean)

    def losses(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """`loss` and `reconstruction`, equal here."""
        reconstruction = self.reconstruction(self.posterior(images).mean, images)
        return {"loss": reconstruction, "reconstruction": reconstruction}
