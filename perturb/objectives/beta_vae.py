"""β-VAE (Higgins et al. 2017), as in disentanglement_lib: Bernoulli reconstruction + β · KL."""

from torch import Tensor

from perturb.draws import Draws
from perturb.objectives.losses import bernoulli_loss, gaussian_kl
from perturb.objectives.objective import Objective


class BetaVAE(Objective):
    """reconstruction + β · KL, both in nats per image; read out by the posterior mean."""

    def losses(self, images: Tensor, draws: Draws) -> dict[str, Tensor]:
        """`loss`, `reconstruction` and `kl`."""
        posterior = self.posterior(images)
        logits = self.logits(posterior.sample(draws.normal("posterior", *posterior.mean.shape[1:])))
        reconstruction, kl = bernoulli_loss(logits, images), gaussian_kl(posterior)
        return {"loss": reconstruction + self.config.beta * kl, "reconstruction": reconstruction, "kl": kl}
