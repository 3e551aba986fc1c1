"""Settings of the metrics, one section per metric.

Defaults are those of disentanglement_lib's study (unsupervised_study_v1). `num_train` and `num_test` are numbers of rows;
perturb.metrics.coded describes how the rows are drawn.
"""

from typing import Literal, Self

from pydantic import Field

from perturb.config.section import Section

Protocol = Literal["held_out", "library"]


class SampleConfig(Section):
    """A metric that is computed on one sample of rows."""

    num_train: int = Field(default=10_000, ge=2)

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of rows by setting, in the order in which the samples are drawn."""
        return {name: getattr(self, name) for name in ("num_train", "num_test") if name in type(self).model_fields}


class BinnedConfig(SampleConfig):
    """A metric that estimates information from binned values: MIG, MIG-sup, modularity, the unsupervised scores.

    IRS bins factors in the same way.
    """

    num_bins: int = Field(default=20, ge=2)
    """Number of equal-width bins (histogram discretiser)."""


class FittedConfig(SampleConfig):
    """A metric that fits an estimator to rows, so that a row that is drawn twice can predict itself."""

    protocol: Protocol = Field(default="held_out", exclude_if=lambda protocol: protocol == "library")
    """Protocol for drawing rows. `held_out`: on small grids, and on samples that do not cover a grid, no row is drawn twice.
    `library`: as in disentanglement_lib, rows are drawn with replacement from a grid of any size, so that some test rows are
    also training rows. Results up to version 0.2 lack this setting and used the library's protocol."""


class TrainTestConfig(FittedConfig):
    """A metric that is fitted to one sample and tested on another."""

    num_test: int = Field(default=5_000, ge=2)


class DCIConfig(TrainTestConfig):
    """Disentanglement, completeness, informativeness by gradient-boosted trees."""

    trees: int = Field(default=100, ge=1)
    """Boosting stages, each with one tree per class; 100 is the default of scikit-learn and of disentanglement_lib."""


class SAPConfig(TrainTestConfig):
    """Separated attribute predictability."""

    continuous: bool = False
    """True: use squared correlations instead of linear support-vector machines."""


class BetaVAEScoreConfig(Section):
    """BetaVAE score: logistic regression on mean absolute differences predicts which factor the pairs of a batch share."""

    num_train: int = Field(default=10_000, ge=2)
    """Batches of pairs for training."""
    num_test: int = Field(default=5_000, ge=1)
    """Batches of pairs for testing."""
    batch_size: int = Field(default=64, ge=1)
    """Pairs per batch."""


class FactorVAEScoreConfig(Section):
    """FactorVAE score: a majority-vote classifier of batches that share one factor."""

    num_variance: int = Field(default=10_000, ge=2)
    """Rows for the latents' global variances."""
    num_train: int = Field(default=10_000, ge=1)
    """Votes that train the classifier."""
    num_test: int = Field(default=5_000, ge=1)
    """Votes that test the classifier."""
    batch_size: int = Field(default=64, ge=2)
    """Rows per vote."""
    min_std: float = Field(default=0.05, ge=0)
    """Latents with a standard deviation below this cannot win a vote; constant latents never can."""


class IRSConfig(BinnedConfig):
    """Interventional robustness score."""

    quantile: float = Field(default=0.99, gt=0, le=1)
    """Quantile of the deviations within each value of a factor; 1 is the paper's maximum."""


class DisentanglementScoreConfig(TrainTestConfig):
    """The thesis's DS (section 3.3): k-nearest neighbours on single latents, fitted to four fifths of the rows."""

    num_train: int = Field(default=8_000, ge=2)
    num_test: int = Field(default=2_000, ge=2)
    neighbours: int = Field(default=5, ge=1)
    unordered: tuple[int, ...] = ()
    """Columns of unordered factors, such as a shape, which are classified instead of regressed."""


class MCCConfig(SampleConfig):
    """Mean correlation coefficient."""

    correlation: Literal["pearson", "spearman"] = "pearson"


class ActiveUnitsConfig(SampleConfig):
    """Active units."""

    min_variance: float = Field(default=0.01, ge=0)
    """A unit is active if the variance of its posterior means over the data exceeds this."""


class InfoMECConfig(FittedConfig):
    """InfoM, InfoE, InfoC."""

    num_train: int = Field(default=10_000, ge=20)
    neighbours: int = Field(default=10, ge=1)
    """Neighbours in the Kraskov-type estimate of mutual information."""
    discrete: bool = False
    """True if the latents are class indices."""


MetricName = Literal[
    "mig", "dci", "factor_vae", "sap", "beta_vae", "modularity", "explicitness", "irs", "unsupervised", "mig_sup",
    "disentanglement_score", "mcc", "active_units", "infomec",
]  # fmt: skip
"""Keys of METRICS, and fields of MetricsConfig."""


class MetricsConfig(Section):
    """Settings of every metric, by its key in METRICS."""

    mig: BinnedConfig = BinnedConfig()
    mig_sup: BinnedConfig = BinnedConfig()
    dci: DCIConfig = DCIConfig()
    factor_vae: FactorVAEScoreConfig = FactorVAEScoreConfig()
    sap: SAPConfig = SAPConfig()
    beta_vae: BetaVAEScoreConfig = BetaVAEScoreConfig()
    modularity: BinnedConfig = BinnedConfig()
    explicitness: TrainTestConfig = TrainTestConfig()
    irs: IRSConfig = IRSConfig()
    unsupervised: BinnedConfig = BinnedConfig()
    disentanglement_score: DisentanglementScoreConfig = DisentanglementScoreConfig()
    mcc: MCCConfig = MCCConfig()
    active_units: ActiveUnitsConfig = ActiveUnitsConfig()
    infomec: InfoMECConfig = InfoMECConfig()

    @classmethod
    def library(cls) -> Self:
        """Return the default settings, with disentanglement_lib's protocol for every metric that fits an estimator."""
        return cls().of()

    def of(self, *names: str) -> Self:
        """Return these settings, with disentanglement_lib's protocol for every metric except those in `names`."""
        others = {name: getattr(self, name) for name in type(self).model_fields if name not in names}
        fitted = {name: section for name, section in others.items() if isinstance(section, FittedConfig)}
        return self.model_copy(
            update={name: section.model_copy(update={"protocol": "library"}) for name, section in fitted.items()}
        )
