"""VAE (Kingma and Welling 2014), and the loss that its relatives share: reconstruction + a regulariser."""

from torch import Tensor

from perturb.objectives.objective import ConfigT, MinimisedObjective
from perturb.objectives.posterior import Posterior
from perturb.random.philox import StepRNG


class VAE(MinimisedObjective[ConfigT]):
    """Minimises reconstruction + KL, in nats per image. The code is the posterior mean."""

    def losses(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """Return `loss`, `reconstruction`, `kl`, and the terms that a subclass adds."""
        posterior = self.posterior(images)
        codes = posterior.sample(draws.normal("posterior", *posterior.mean.shape[1:]))
        reconstruction = self.reconstruction(codes, images)
        terms = {"reconstruction": reconstruction, "kl": posterior.kl()} | self.added_terms(posterior, codes)
        return {"loss": reconstruction + self.regulariser(terms, draws)} | terms

    def added_terms(self, posterior: Posterior, codes: Tensor) -> dict[str, Tensor]:
        """Return further terms, each (restarts,)."""
        return {}

    def regulariser(self, terms: dict[str, Tensor], draws: StepRNG) -> Tensor:
        """Return the regulariser, which is added to the reconstruction, (restarts,)."""
        return terms["kl"]
