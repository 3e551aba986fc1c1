"""Methods: what each minimises, its optimisers, how a code is read out. One file a method, one line in the table."""

from perturb.objectives.autoencoder import Autoencoder
from perturb.objectives.beta_vae import BetaVAE
from perturb.objectives.objective import Objective

OBJECTIVES: dict[str, type[Objective]] = {
    "autoencoder": Autoencoder,
    "beta_vae": BetaVAE,
}
"""By the `kind` of the config."""

__all__ = ["OBJECTIVES", "Objective"]
