"""What a model minimises, and with which weights. One class per method; `kind` is its key in OBJECTIVES.

Weights are those of the thesis's Table 4.1 for dSprites, else the method's own defaults. Losses are summed over pixels and
latents, and means over the batch.
"""

from typing import Annotated, Literal, get_args

from pydantic import Field

from perturb.config.section import Section


class AutoencoderConfig(Section):
    """Autoencoder: the same networks, the code is the posterior mean, no noise and no KL term."""

    kind: Literal["autoencoder"] = "autoencoder"


class VAEConfig(Section):
    """VAE (Kingma and Welling 2014): reconstruction + KL."""

    kind: Literal["vae"] = "vae"


class BetaVAEConfig(Section):
    """β-VAE (Higgins et al. 2017): reconstruction + β · KL."""

    kind: Literal["beta_vae"] = "beta_vae"
    beta: float = Field(default=8.0, ge=0)
    """Weight of the KL term (8 for dSprites, 32 for Shapes3D)."""


class FallingBetaVAEConfig(Section):
    """A β-VAE whose β falls (ours): held at a first value, then lowered in a straight line to a last one."""

    kind: Literal["falling_beta_vae"] = "falling_beta_vae"
    beta: float = Field(default=4.0, ge=0)
    """Weight of the KL term in the end."""
    first_beta: float = Field(default=64.0, ge=0)
    """Weight in the beginning."""
    hold: int = Field(default=1_000, ge=0)
    """Updates with the first weight."""
    fall: int = Field(default=3_000, ge=1)
    """Updates over which the weight then falls in a straight line."""


class FullCovarianceVAEConfig(Section):
    """β-VAE_Σ (thesis 3.2.7): a β-VAE whose posterior has a full covariance matrix."""

    kind: Literal["full_covariance_vae"] = "full_covariance_vae"
    beta: float = Field(default=8.0, ge=0)
    """Weight of the KL term."""


class BetaTCVAEConfig(Section):
    """β-TC-VAE (Chen et al. 2018): reconstruction + KL + (β − 1) · total correlation, minibatch-weighted sampling."""

    kind: Literal["beta_tc_vae"] = "beta_tc_vae"
    beta: float = Field(default=6.0, ge=0)
    """Weight of the total correlation (6 for dSprites, 32 for Shapes3D)."""


class FactorVAEConfig(Section):
    """FactorVAE (Kim and Mnih 2018): reconstruction + KL + γ · total correlation, as a discriminator estimates it."""

    kind: Literal["factor_vae"] = "factor_vae"
    gamma: float = Field(default=35.0, ge=0)
    """Weight of the total correlation (35 for dSprites, 7 for Shapes3D)."""
    discriminator_learning_rate: float = Field(default=1e-4, gt=0)
    """Adam's learning rate for the discriminator (betas 0.5 and 0.9)."""
    steps_per_update: Literal[1, 2] = 1
    """Steps that one update of encoder, decoder and discriminator counts for. disentanglement_lib counts 2, so that its
    300,000 steps are 150,000 updates."""


class AnnealedVAEConfig(Section):
    """AnnealedVAE (Burgess et al. 2018): reconstruction + γ · |KL − C|, with a capacity C that grows from 0."""

    kind: Literal["annealed_vae"] = "annealed_vae"
    gamma: float = Field(default=1000.0, ge=0)
    """Weight of the distance."""
    max_capacity: float = Field(default=25.0, ge=0)
    """C in the end, in nats (disentanglement_lib sweeps 5 to 100)."""
    annealing_steps: int = Field(default=100_000, ge=1)
    """Updates until C is there."""


class DIPVAEConfig(Section):
    """DIP-VAE (Kumar et al. 2018): reconstruction + KL + a covariance of codes that should be the identity."""

    kind: Literal["dip_vae"] = "dip_vae"
    covariance: Literal["means", "codes"] = "means"
    """`means`: of the posterior means (DIP-VAE-I). `codes`: plus the mean posterior variance (DIP-VAE-II)."""
    off_diagonal: float = Field(default=10.0, ge=0)
    """Weight of the squares off the diagonal."""
    diagonal: float | None = Field(default=None, ge=0)
    """Weight of the squared distances of the diagonal to 1; None: 10 times `off_diagonal` for I, the same for II."""


class PairsConfig(Section):
    """How a second image is drawn for a first one, by its factors (Klindt et al. 2021)."""

    law: Literal["laplace", "uniform"] = "laplace"
    """`laplace` (LAP): every ordered factor moves by a truncated Laplace law; unordered ones, as a shape, stay. `uniform`
    (UNI): some of the factors are drawn anew."""
    rate: float | Literal["random"] = 1.0
    """LAP's scale is log(number of values) / rate; "random": a rate in [1, 10] for each pair."""


class SlowVAEConfig(Section):
    """SlowVAE (Klindt et al. 2021), with the weights that its code gives the terms."""

    kind: Literal["slow_vae"] = "slow_vae"
    beta: float = Field(default=1.0, ge=0)
    """Weight of the KL to the standard normal."""
    gamma: float = Field(default=10.0, ge=0)
    """Weight of the cross-entropy to the Laplace transition."""
    rate: float = Field(default=6.0, gt=0)
    """λ of the Laplace transition."""
    pairs: PairsConfig = PairsConfig()


class PCLConfig(Section):
    """Permutation-contrastive learning (Hyvärinen and Morioka 2017), adapted: convolutional encoder, pairs by factors."""

    kind: Literal["pcl"] = "pcl"
    pairs: PairsConfig = PairsConfig()


class WeaklySupervisedGANConfig(Section):
    """The GAN of Shu et al. (2020) with share-labels for every factor ("full sharing")."""

    kind: Literal["weakly_supervised_gan"] = "weakly_supervised_gan"
    discriminator_width: Literal[1, 2] = 2
    """Width of the discriminator's layers, in units of 32 to 64 channels and 128 hidden units; the authors swept both."""


_Objectives = (
    AutoencoderConfig
    | VAEConfig
    | BetaVAEConfig
    | FallingBetaVAEConfig
    | FullCovarianceVAEConfig
    | BetaTCVAEConfig
    | FactorVAEConfig
    | AnnealedVAEConfig
    | DIPVAEConfig
    | SlowVAEConfig
    | PCLConfig
    | WeaklySupervisedGANConfig
)
ObjectiveConfig = Annotated[_Objectives, Field(discriminator="kind")]
OBJECTIVE_KINDS = tuple(config.model_fields["kind"].default for config in get_args(_Objectives))
PAIRED_KINDS = ("slow_vae", "pcl", "weakly_supervised_gan")
"""Their batches are pairs of images."""
PRIMARY = {
    "beta_vae": "beta",
    "full_covariance_vae": "beta",
    "beta_tc_vae": "beta",
    "factor_vae": "gamma",
    "slow_vae": "beta",
}
"""The hyper-parameter that a line search scales, by kind (thesis Table 4.1; β-VAE_Σ has the β-VAE's)."""
