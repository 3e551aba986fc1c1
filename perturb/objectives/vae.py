"""VAE (Kingma and Welling 2014), and the form that its relatives share: reconstruction + a regulariser."""

from torch import Tensor

from perturb.objectives.objective import ConfigT, MinimisedObjective
from perturb.objectives.posterior import Posterior
from perturb.random.philox import StepRNG


class VAE(MinimisedObjective[ConfigT]):
    """reconstruction + KL, in nats per image; read out by the posterior mean."""

    def losses(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """`loss`, `reconstruction`, `kl`, and what a relative adds."""
        posterior = self.posterior(images)
        codes = posterior.sample(draws.normal("posterior", *posterior.mean.shape[1:]))
        reconstruction = self.reconstruction(codes, images)
        terms = {"reconstruction": reconstruction, "kl": posterior.kl()} | self.added_terms(posterior, codes)
        return {"loss": reconstruction + self.regulariser(terms, draws)} | terms

    def added_terms(self, posterior: Posterior, codes: Tensor) -> dict[str, Tensor]:
        """Further terms, each (restarts,)."""
        return {}

    def regulariser(self, terms: dict[str, Tensor], draws: StepRNG) -> Tensor:
        """Return what is added to the reconstruction, (restarts,)."""
        return terms["kl"]
