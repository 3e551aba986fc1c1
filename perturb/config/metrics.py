"""How codes are scored: one section a metric, the defaults those of disentanglement_lib's study (unsupervised_study_v1).

`num_train` and `num_test` are rows: drawn with replacement where the codes cover a whole grid of factors, else the first
ones and the next ones.
"""

from typing import Literal

from pydantic import Field

from perturb.config.section import Section


class MIGConfig(Section):
    """Mutual information gap, and MIG-sup."""

    num_train: int = Field(default=10_000, ge=2)
    num_bins: int = Field(default=20, ge=2)
    """Equal-width bins of a latent (histogram discretiser)."""


class DCIConfig(Section):
    """Disentanglement, completeness, informativeness by gradient-boosted trees."""

    num_train: int = Field(default=10_000, ge=2)
    num_test: int = Field(default=5_000, ge=1)
    trees: int = Field(default=100, ge=1)
    """Boosting stages, one tree a class each; 100 is scikit-learn's default and disentanglement_lib's."""


class FactorVAEScoreConfig(Section):
    """FactorVAE score: votes of batches that share one factor."""

    num_variance: int = Field(default=10_000, ge=2)
    """Rows for the latents' global variances."""
    num_train: int = Field(default=10_000, ge=1)
    """Votes that make the classifier."""
    num_test: int = Field(default=5_000, ge=1)
    """Votes that test it."""
    batch_size: int = Field(default=64, ge=2)
    """Rows behind a vote."""
    min_std: float = Field(default=0.05, ge=0)
    """A latent whose standard deviation is below this has no say; a constant one never has."""


class BetaVAEScoreConfig(Section):
    """BetaVAE score: which factor do pairs share, by logistic regression on mean absolute differences."""

    num_train: int = Field(default=10_000, ge=2)
    num_test: int = Field(default=5_000, ge=1)
    batch_size: int = Field(default=64, ge=1)


class SAPConfig(Section):
    """Separated attribute predictability."""

    num_train: int = Field(default=10_000, ge=2)
    num_test: int = Field(default=5_000, ge=1)
    continuous: bool = False
    """Squared correlations instead of linear support-vector machines."""


class ModularityConfig(Section):
    """Modularity."""

    num_train: int = Field(default=10_000, ge=2)
    num_bins: int = Field(default=20, ge=2)


class ExplicitnessConfig(Section):
    """Explicitness."""

    num_train: int = Field(default=10_000, ge=2)
    num_test: int = Field(default=5_000, ge=2)


class IRSConfig(Section):
    """Interventional robustness score."""

    num_train: int = Field(default=10_000, ge=2)
    num_bins: int = Field(default=20, ge=2)
    """Of the factors, which disentanglement_lib puts through its discretiser too."""
    quantile: float = Field(default=0.99, gt=0, le=1)
    """Of the deviations within a factor's value; 1 is the paper's maximum."""


class UnsupervisedConfig(Section):
    """Scores that need no factors."""

    num_train: int = Field(default=10_000, ge=2)
    num_bins: int = Field(default=20, ge=2)


class DisentanglementScoreConfig(Section):
    """The thesis's DS (section 3.3): k-nearest neighbours on single latents."""

    num_train: int = Field(default=8_000, ge=2)
    num_test: int = Field(default=2_000, ge=1)
    neighbours: int = Field(default=5, ge=1)
    unordered: tuple[int, ...] = ()
    """Columns of factors without an order, such as a shape: classified instead of regressed."""


class MCCConfig(Section):
    """Mean correlation coefficient."""

    num_train: int = Field(default=10_000, ge=3)
    correlation: Literal["pearson", "spearman"] = "pearson"


class ActiveUnitsConfig(Section):
    """Active units."""

    num_train: int = Field(default=10_000, ge=2)
    min_variance: float = Field(default=0.01, ge=0)
    """Of the posterior means over the data."""


class InfoMECConfig(Section):
    """InfoM, InfoE, InfoC."""

    num_train: int = Field(default=10_000, ge=20)
    neighbours: int = Field(default=10, ge=1)
    """Of the Kraskov-type estimate of mutual information."""
    discrete: bool = False
    """Whether the latents are class numbers."""


MetricName = Literal[
    "mig", "dci", "factor_vae", "sap", "beta_vae", "modularity", "explicitness", "irs", "unsupervised", "mig_sup",
    "disentanglement_score", "mcc", "active_units", "infomec",
]  # fmt: skip
"""Keys of METRICS, and fields of MetricsConfig."""


class MetricsConfig(Section):
    """Settings of every metric, by its key in METRICS."""

    mig: MIGConfig = MIGConfig()
    mig_sup: MIGConfig = MIGConfig()
    dci: DCIConfig = DCIConfig()
    factor_vae: FactorVAEScoreConfig = FactorVAEScoreConfig()
    sap: SAPConfig = SAPConfig()
    beta_vae: BetaVAEScoreConfig = BetaVAEScoreConfig()
    modularity: ModularityConfig = ModularityConfig()
    explicitness: ExplicitnessConfig = ExplicitnessConfig()
    irs: IRSConfig = IRSConfig()
    unsupervised: UnsupervisedConfig = UnsupervisedConfig()
    disentanglement_score: DisentanglementScoreConfig = DisentanglementScoreConfig()
    mcc: MCCConfig = MCCConfig()
    active_units: ActiveUnitsConfig = ActiveUnitsConfig()
    infomec: InfoMECConfig = InfoMECConfig()
