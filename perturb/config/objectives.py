"""Settings of the methods, one class each; `kind` is the key in OBJECTIVES.

Default weights are those of the thesis's Table 4.1 for dSprites, otherwise the method's own defaults. Losses are summed over
pixels and latents and averaged over the batch.
"""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from perturb.config.section import Section


class MethodSection(Section):
    """Base class of method configs: properties of the method, with defaults that fit a VAE. Subclasses override them."""

    sees: ClassVar[Literal["images", "pairs", "labels"]] = "images"
    """The training data: single images, pairs of images with related factors, or pairs labelled with the factor that they
    share."""
    primary: ClassVar[str | None] = None
    """The hyper-parameter that a line search scales (thesis Table 4.1; β-VAE_Σ shares that of the β-VAE)."""
    claim: ClassVar[Literal["falls", "stands", "baseline"] | None] = None
    """The thesis's claim about the method's scores on modified images (4.3.3): `falls` if they drop, `stands` if they hold
    up. The autoencoder is the thesis's baseline and not a disentanglement method. None for methods that it does not test."""
    latents_are_factors: ClassVar[bool] = False
    """True if every latent stands for one factor, so that `latents` must equal the number of factors."""
    paper: ClassVar[str | None] = None
    """Address of the paper that introduced the method, which the leaderboard links."""
    work: ClassVar[float] = 1.0
    """Compute per image of a batch, in units of one encoder plus one decoder. It weighs a run in the progress display, so
    only ratios matter."""
    seconds_beside_images: ClassVar[float] = 0.0
    """Seconds per image of a batch spent in a large network that does not process images."""

    @property
    def paired(self) -> bool:
        """True if a batch consists of pairs of images."""
        return self.sees != "images"


class AutoencoderConfig(MethodSection):
    """Autoencoder: the same networks, with the posterior mean as the code, no noise and no KL term."""

    claim = "baseline"

    kind: Literal["autoencoder"] = "autoencoder"


class VAEConfig(MethodSection):
    """VAE (Kingma and Welling 2014): reconstruction + KL."""

    paper = "https://arxiv.org/abs/1312.6114"

    kind: Literal["vae"] = "vae"


class BetaVAEConfig(MethodSection):
    """β-VAE (Higgins et al. 2017): reconstruction + β · KL."""

    primary = "beta"
    claim = "falls"
    paper = "https://openreview.net/forum?id=Sy2fzU9gl"

    kind: Literal["beta_vae"] = "beta_vae"
    beta: float = Field(default=8.0, ge=0)
    """Weight of the KL term (8 for dSprites, 32 for Shapes3D)."""


class FallingBetaVAEConfig(MethodSection):
    """A β-VAE with a decreasing β (ours): β is constant at first, then decreases linearly to its final value."""

    kind: Literal["falling_beta_vae"] = "falling_beta_vae"
    beta: float = Field(default=4.0, ge=0)
    """Final weight of the KL term."""
    first_beta: float = Field(default=64.0, ge=0)
    """Initial weight of the KL term."""
    hold: int = Field(default=1_000, ge=0)
    """Number of updates with the initial weight."""
    fall: int = Field(default=3_000, ge=1)
    """Number of updates over which the weight then decreases linearly."""


class FullCovarianceVAEConfig(MethodSection):
    """β-VAE_Σ (thesis 3.2.7): a β-VAE with a full-covariance posterior."""

    primary = "beta"

    kind: Literal["full_covariance_vae"] = "full_covariance_vae"
    beta: float = Field(default=8.0, ge=0)
    """Weight of the KL term."""


class BetaTCVAEConfig(MethodSection):
    """β-TC-VAE (Chen et al. 2018): reconstruction + KL + (β − 1) · total correlation, minibatch-weighted sampling."""

    primary = "beta"
    claim = "falls"
    paper = "https://arxiv.org/abs/1802.04942"

    kind: Literal["beta_tc_vae"] = "beta_tc_vae"
    beta: float = Field(default=6.0, ge=0)
    """Weight of the total correlation (6 for dSprites, 32 for Shapes3D)."""


class FactorVAEConfig(MethodSection):
    """FactorVAE (Kim and Mnih 2018): reconstruction + KL + γ · total correlation, estimated by a discriminator."""

    primary = "gamma"
    claim = "falls"
    seconds_beside_images = 1e-3
    paper = "https://arxiv.org/abs/1802.05983"

    kind: Literal["factor_vae"] = "factor_vae"
    gamma: float = Field(default=35.0, ge=0)
    """Weight of the total correlation (35 for dSprites, 7 for Shapes3D)."""
    discriminator_learning_rate: float = Field(default=1e-4, gt=0)
    """Adam's learning rate for the discriminator (betas 0.5 and 0.9)."""
    steps_per_update: Literal[1, 2] = 1
    """Number of steps that one update of encoder, decoder and discriminator counts as. disentanglement_lib counts 2, so its
    300,000 steps are 150,000 updates."""


class AnnealedVAEConfig(MethodSection):
    """AnnealedVAE (Burgess et al. 2018): reconstruction + γ · |KL − C|, with a capacity C that grows from 0."""

    paper = "https://arxiv.org/abs/1804.03599"

    kind: Literal["annealed_vae"] = "annealed_vae"
    gamma: float = Field(default=1000.0, ge=0)
    """Weight of |KL − C|."""
    max_capacity: float = Field(default=25.0, ge=0)
    """Final C, in nats (disentanglement_lib sweeps 5 to 100)."""
    annealing_steps: int = Field(default=100_000, ge=1)
    """Number of updates until C reaches its final value."""


class DIPVAEConfig(MethodSection):
    """DIP-VAE (Kumar et al. 2018): reconstruction + KL + a penalty that pulls a covariance of codes towards the identity."""

    paper = "https://arxiv.org/abs/1711.00848"

    kind: Literal["dip_vae"] = "dip_vae"
    covariance: Literal["means", "codes"] = "means"
    """Covariance to penalise. `means`: that of the posterior means (DIP-VAE-I). `codes`: that plus the mean posterior
    variance (DIP-VAE-II)."""
    off_diagonal: float = Field(default=10.0, ge=0)
    """Weight of the squared off-diagonal entries."""
    diagonal: float | None = Field(default=None, ge=0)
    """Weight of the squared differences between the diagonal and 1. None: 10 times `off_diagonal` for DIP-VAE-I, and equal
    to it for DIP-VAE-II."""


class PairsConfig(Section):
    """Distribution of the second image of a pair given the factors of the first (Klindt et al. 2021)."""

    law: Literal["laplace", "uniform"] = "laplace"
    """`laplace` (LAP): every ordered factor changes by a truncated Laplace distribution; unordered factors, such as a shape,
    stay the same. `uniform` (UNI): some of the factors are redrawn."""
    rate: float | Literal["random"] = 1.0
    """LAP's scale is log(number of values) / rate. "random": draw a rate from [1, 10] for each pair."""


class SlowVAEConfig(MethodSection):
    """SlowVAE (Klindt et al. 2021), with the loss weights of its authors' code."""

    sees = "pairs"
    primary = "beta"
    claim = "falls"
    paper = "https://arxiv.org/abs/2007.10930"

    kind: Literal["slow_vae"] = "slow_vae"
    beta: float = Field(default=1.0, ge=0)
    """Weight of the KL to the standard normal."""
    gamma: float = Field(default=10.0, ge=0)
    """Weight of the cross-entropy to the Laplace transition."""
    rate: float = Field(default=6.0, gt=0)
    """λ of the Laplace transition."""
    pairs: PairsConfig = PairsConfig()


class PCLConfig(MethodSection):
    """Permutation-contrastive learning (Hyvärinen and Morioka 2017), adapted: convolutional encoder, pairs by factors."""

    sees = "pairs"
    claim = "stands"
    work = 0.5
    paper = "https://proceedings.mlr.press/v54/hyvarinen17a.html"

    kind: Literal["pcl"] = "pcl"
    pairs: PairsConfig = PairsConfig()


class WeaklySupervisedGANConfig(MethodSection):
    """The GAN of Shu et al. (2020) with share-labels for every factor ("full sharing")."""

    sees = "labels"
    claim = "stands"
    latents_are_factors = True
    work = 6.0  # with a discriminator of width 1
    paper = "https://arxiv.org/abs/1910.09772"

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
METHODS: dict[str, type[MethodSection]] = {config.model_fields["kind"].default: config for config in get_args(_Objectives)}
"""Config classes of the methods by kind."""
OBJECTIVE_KINDS = tuple(METHODS)
