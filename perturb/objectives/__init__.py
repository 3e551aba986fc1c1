"""Methods: their losses, their optimisers, and how codes are read out. One module per method, one entry in the table."""

from perturb.objectives.annealed_vae import AnnealedVAE
from perturb.objectives.autoencoder import Autoencoder
from perturb.objectives.beta_tc_vae import BetaTCVAE
from perturb.objectives.beta_vae import BetaVAE
from perturb.objectives.dip_vae import DIPVAE
from perturb.objectives.factor_vae import FactorVAE
from perturb.objectives.falling_beta_vae import FallingBetaVAE
from perturb.objectives.full_covariance_vae import FullCovarianceVAE
from perturb.objectives.objective import MinimisedObjective, Objective
from perturb.objectives.pcl import PCL
from perturb.objectives.slow_vae import SlowVAE
from perturb.objectives.vae import VAE
from perturb.objectives.weakly_supervised_gan import WeaklySupervisedGAN

OBJECTIVES: dict[str, type[Objective]] = {
    "autoencoder": Autoencoder,
    "vae": VAE,
    "beta_vae": BetaVAE,
    "falling_beta_vae": FallingBetaVAE,
    "full_covariance_vae": FullCovarianceVAE,
    "beta_tc_vae": BetaTCVAE,
    "factor_vae": FactorVAE,
    "annealed_vae": AnnealedVAE,
    "dip_vae": DIPVAE,
    "slow_vae": SlowVAE,
    "pcl": PCL,
    "weakly_supervised_gan": WeaklySupervisedGAN,
}
"""Methods by the `kind` of their config."""

__all__ = ["OBJECTIVES", "MinimisedObjective", "Objective"]
