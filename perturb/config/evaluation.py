"""Settings of the evaluation: the methods and variants of the tables, the line search, the supervised readout."""

from typing import Annotated

from pydantic import Field, model_validator

from perturb.config.metrics import MetricName
from perturb.config.objectives import ObjectiveConfig
from perturb.config.section import Section
from perturb.config.training import TrainingConfig
from perturb.errors import not_among
from perturb.names import Name
from perturb.variants import FOLLOWING

Count = Annotated[int, Field(ge=1)]

DEFAULT_CONTRASTS = ("modified", "original"), ("modified", "untrained")


class MethodConfig(Section):
    """A row of the tables."""

    name: Name
    """Name of the method in tables."""
    objective: ObjectiveConfig
    training: TrainingConfig | None = None
    """Training settings of this method. None: those of the experiment."""
    seeds: int | None = Field(default=None, ge=2, exclude_if=lambda seeds: seeds is None)
    """Number of seeds, the first ones of the evaluation, for a method that is slow to train. None: all of them."""


class ContrastConfig(Section):
    """A comparison specified before the results are seen: first − second, averaged over methods."""

    first: str
    second: str
    """Variant that is subtracted from `first`; both are variants of the evaluation."""
    methods: tuple[str, ...] = ()
    """Names of the evaluation's methods to average over. Empty: the VAEs of the thesis that the evaluation has, of the kinds
    beta_vae, factor_vae, beta_tc_vae and slow_vae."""
    metric: MetricName | None = None
    """One of the evaluation's metrics. None: the first."""


class EvaluationConfig(Section):
    """The methods and variants of the evaluation, and its number of fresh seeds."""

    seeds: int = Field(default=10, ge=2)
    """Number of fresh seeds per method and variant. Seed k has the same initial weights and batches on every variant."""
    draws: Count | dict[str, Count] = 1
    """Number of independent patterns of each variant that has patterns: m_ψ, or a control of it, from different initial
    weights and batches. Seed k uses pattern k modulo this number, so that the intervals hold for patterns of this kind and
    not for a single pattern alone. A table sets the number for each variant; variants that it does not name have one."""
    variants: tuple[str, ...] = ("original", "modified", "noise")
    """Columns of the tables: built-in variants or names of alternatives. The first must be `original`."""
    methods: tuple[MethodConfig, ...] = Field(min_length=1)
    metrics: tuple[MetricName, ...] = Field(default=("mig",), min_length=1)
    """Names of the metrics, keys of `perturb.metrics.METRICS`."""
    contrasts: tuple[ContrastConfig, ...] | None = Field(default=None, exclude_if=lambda contrasts: contrasts is None)
    """Primary contrasts. Each is tested on its own at the 5 % level; all other comparisons in the report are Holm-adjusted.
    None: modified − original and modified − untrained, if the evaluation has these variants."""

    @model_validator(mode="after")
    def _original_comes_first(self) -> "EvaluationConfig":
        variants = list(self.variants)
        if not variants or variants[0] != "original" or len(set(variants)) != len(variants):
            raise ValueError(
                "evaluation.variants must begin with 'original', which the others are compared with, and name each once; "
                f"got {variants}"
            )
        names = [method.name for method in self.methods]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"evaluation.methods must have different names; given twice: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _methods_have_seeds_of_the_evaluation(self) -> "EvaluationConfig":
        for method in self.methods:
            if method.seeds is not None and method.seeds > self.seeds:
                raise ValueError(
                    f"evaluation.methods: {method.name} has {method.seeds} seeds, which must be at most evaluation.seeds = "
                    f"{self.seeds}"
                )
        return self

    @model_validator(mode="after")
    def _every_pattern_is_met(self) -> "EvaluationConfig":
        if isinstance(self.draws, dict):
            given = {f"evaluation.draws.{name}": number for name, number in self.draws.items()}
        else:
            given = {"evaluation.draws": self.draws}
        for field, number in given.items():
            if number > self.seeds:
                raise ValueError(
                    f"{field} must be at most evaluation.seeds = {self.seeds}, because each seed uses one pattern; it is "
                    f"{number}"
                )
        trained = self.patterns_of("modified")
        for variant in FOLLOWING:
            if (number := self.patterns_of(variant)) > trained:
                raise ValueError(
                    f"evaluation.draws.{variant} must be at most that of modified = {trained}, because each control has the "
                    f"variance of a trained pattern; it is {number}"
                )
        return self

    @model_validator(mode="after")
    def _contrasts_are_of_the_evaluation(self) -> "EvaluationConfig":
        names, places = [method.name for method in self.methods], "evaluation.contrasts"
        for contrast in self.contrasts or ():
            for field, given, known in (
                ("first", [contrast.first], self.variants),
                ("second", [contrast.second], self.variants),
                ("methods", contrast.methods, names),
                ("metric", [contrast.metric or self.metrics[0]], self.metrics),
            ):
                if unknown := [name for name in given if name not in known]:
                    raise ValueError(f"{places}: {field} {not_among(unknown, known)}")
            if contrast.first == contrast.second:
                raise ValueError(f"{places}: first and second must differ; both are {contrast.first}")
            if len(set(contrast.methods)) < len(contrast.methods):
                raise ValueError(f"{places}: methods must name each once; got {', '.join(contrast.methods)}")
            if not contrast.methods and not self.thesis_vaes:
                raise ValueError(
                    f"{places}: {contrast.first} − {contrast.second} must name its methods, because the evaluation has none "
                    "of the thesis's VAEs"
                )
        if len(set(self.primary)) < len(self.primary):
            raise ValueError(f"{places} must name each contrast once")
        return self

    @property
    def thesis_vaes(self) -> tuple[str, ...]:
        """Names of the methods with scores that fall on modified images, according to the thesis."""
        return tuple(method.name for method in self.methods if method.objective.claim == "falls")

    @property
    def primary(self) -> tuple[ContrastConfig, ...]:
        """The primary contrasts with methods and metric filled in. Contrasts that have no method left are dropped."""
        names = [method.name for method in self.methods]
        given = self.contrasts
        if given is None:
            given = [ContrastConfig(first=a, second=b) for a, b in DEFAULT_CONTRASTS if {a, b} <= set(self.variants)]
        resolved = (
            ContrastConfig(
                first=contrast.first,
                second=contrast.second,
                methods=tuple(name for name in contrast.methods or self.thesis_vaes if name in names),
                metric=contrast.metric or self.metrics[0],
            )
            for contrast in given
        )
        return tuple(contrast for contrast in resolved if contrast.methods)

    def seeds_of(self, method: MethodConfig) -> range:
        """Return the seed numbers of a method."""
        return range(self.seeds if method.seeds is None else method.seeds)

    def patterns_of(self, variant: str) -> int:
        """Return the number of independent patterns of a variant that has patterns."""
        return self.draws.get(variant, 1) if isinstance(self.draws, dict) else self.draws


class SearchConfig(Section):
    """The line search over each method's primary hyper-parameter (thesis 4.3.4). Methods without one are skipped."""

    factors: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(0.75, 1.0, 1.25, 1.5, 1.75, 2.0), min_length=1)
    """Multipliers of the method's own value (the range is the thesis's, the grid ours)."""
    seeds: int = Field(default=10, ge=1)
    """Number of seeds, the first ones of the evaluation, so that nothing is trained twice at a factor of 1."""
    variants: tuple[str, ...] = ("original", "modified")
    metric: MetricName = "mig"
    """Name of the metric, a key of `perturb.metrics.METRICS`."""
    more_metrics: tuple[MetricName, ...] = Field(default=(), exclude_if=lambda metrics: not metrics)
    """Further keys in METRICS, each with its own table and figure (thesis Figures 4.5 to 4.7)."""

    @property
    def metrics(self) -> tuple[MetricName, ...]:
        """All metrics of the search, without duplicates."""
        return tuple(dict.fromkeys((self.metric, *self.more_metrics)))


class ReadoutConfig(Section):
    """Small supervised networks that read the factors from the images of each variant."""

    seeds: int = Field(default=3, ge=1)
    """Number of networks trained per variant."""
    steps: int = Field(default=2_000, ge=1)
    batch_size: int = Field(default=128, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    held_out: float = Field(default=0.2, gt=0, lt=1)
    """Share of the grid that is held out from training."""
