"""Settings of the metrics: one section a metric, the defaults those of disentanglement_lib's study (unsupervised_study_v1).

`num_train` and `num_test` are rows. perturb.metrics.coded says which rows these are.
"""

from typing import Literal, Self

from pydantic import Field

from perturb.config.section import Section

Protocol = Literal["held_out", "library"]


class SampleConfig(Section):
    """A metric of one sample of rows."""

    num_train: int = Field(default=10_000, ge=2)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by setting, in the order in which they are drawn."""
        return {name: getattr(self, name) for name in ("num_train", "num_test") if name in type(self).model_fields}


class BinnedConfig(SampleConfig):
    """A metric of information between bins: MIG, MIG-sup, modularity, the unsupervised scores; IRS bins factors so."""

    num_bins: int = Field(default=20, ge=2)
    """Equal-width bins (histogram discretiser)."""


class FittedConfig(SampleConfig):
    """A metric that fits something to rows, so that a row that is met again answers for itself."""

    protocol: Protocol = Field(default="held_out", exclude_if=lambda protocol: protocol == "library")
    """`held_out`: where a grid is small, and in every sample, no row is drawn twice. `library`: as disentanglement_lib, with
    replacement from a grid of any size, so that some rows that test were fitted to. Results up to version 0.2 have no such
    setting and are the library's."""


class TrainTestConfig(FittedConfig):
    """A metric that fits something to one sample and tests it on another."""

    num_test: int = Field(default=5_000, ge=2)


class DCIConfig(TrainTestConfig):
    """Disentanglement, completeness, informativeness by gradient-boosted trees."""

    trees: int = Field(default=100, ge=1)
    """Boosting stages, one tree a class each; 100 is scikit-learn's default and disentanglement_lib's."""


class SAPConfig(TrainTestConfig):
    """Separated attribute predictability."""

    continuous: bool = False
    """Squared correlations instead of linear support-vector machines."""


class BetaVAEScoreConfig(Section):
    """BetaVAE score: which factor do pairs share, by logistic regression on mean absolute differences."""

    num_train: int = Field(default=10_000, ge=2)
    """Batches of pairs to fit it to."""
    num_test: int = Field(default=5_000, ge=1)
    """Batches that test it."""
    batch_size: int = Field(default=64, ge=1)
    """Pairs in a batch."""


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


class IRSConfig(BinnedConfig):
    """Interventional robustness score."""

    quantile: float = Field(default=0.99, gt=0, le=1)
    """Quantile of the deviations within a factor's value; 1 is the paper's maximum."""


class DisentanglementScoreConfig(TrainTestConfig):
    """The thesis's DS (section 3.3): k-nearest neighbours on single latents, four fifths of the rows to fit them to."""

    num_train: int = Field(default=8_000, ge=2)
    num_test: int = Field(default=2_000, ge=2)
    neighbours: int = Field(default=5, ge=1)
    unordered: tuple[int, ...] = ()
    """Columns of factors without an order, such as a shape: classified instead of regressed."""


class MCCConfig(SampleConfig):
    """Mean correlation coefficient."""

    correlation: Literal["pearson", "spearman"] = "pearson"


class ActiveUnitsConfig(SampleConfig):
    """Active units."""

    min_variance: float = Field(default=0.01, ge=0)
    """Least variance of a unit's posterior means over the data that makes the unit active."""


class InfoMECConfig(FittedConfig):
    """InfoM, InfoE, InfoC."""

    num_train: int = Field(default=10_000, ge=20)
    neighbours: int = Field(default=10, ge=1)
    """Neighbours in the Kraskov-type estimate of mutual information."""
    discrete: bool = False
    """True if the latents are class numbers."""


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
        """Return the default settings, with the protocol of disentanglement_lib in every metric that fits something."""
        return cls().of()

    def of(self, *names: str) -> Self:
        """Return these settings, with the protocol of disentanglement_lib in every metric but those that are named."""
        others = {name: getattr(self, name) for name in type(self).model_fields if name not in names}
        fitted = {name: section for name, section in others.items() if isinstance(section, FittedConfig)}
        return self.model_copy(
            update={name: section.model_copy(update={"protocol": "library"}) for name, section in fitted.items()}
        )
