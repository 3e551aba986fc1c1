"""The whole experiment: dataset, restarts, selection, perturbation, evaluation."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_serializer, model_serializer, model_validator

from perturb.config.evaluation import EvaluationConfig, ReadoutConfig, SearchConfig
from perturb.config.metrics import MetricName, MetricsConfig
from perturb.config.objectives import BetaVAEConfig, FallingBetaVAEConfig
from perturb.config.perturbation import CollapseConfig, PerturbationConfig
from perturb.config.published import PublishedConfig
from perturb.config.section import Section
from perturb.config.training import TrainingConfig
from perturb.errors import not_among
from perturb.names import LONGEST_NAME
from perturb.variants import CONTROLS, ONE_PATTERN, VARIANTS

VariantName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
OWN = "own"


FILES_ONLY = ("mpi3d_toy", "mpi3d_realistic", "mpi3d_real", "cars3d", "smallnorb")
"""Datasets for which perturb has no renderer."""


class DatasetConfig(Section):
    """The ground truth and its source."""

    name: Literal[
        "mini", "mini_closed", "dsprites", "shapes3d", "mpi3d_toy", "mpi3d_realistic", "mpi3d_real", "cars3d", "smallnorb",
        "own",
    ]  # fmt: skip
    """Key in DATASETS, or "own" for a ground truth that a Python file defines."""
    path: Path | None = None
    """The official file or folder, a benchmark file, or, for dSprites and Shapes3D, a folder prepared by
    tensorflow_datasets; for "own", the Python file. None: use our renderer of the same factor grid."""
    sha256: str | None = None
    """SHA-256 of the Python file, or of a benchmark file's images; filled in when the config is loaded."""

    @model_validator(mode="after")
    def _what_is_not_rendered_has_a_file(self) -> "DatasetConfig":
        if self.name == OWN and self.path is None:
            raise ValueError(f'dataset.path must name the Python file of your ground truth, because dataset.name is "{OWN}"')
        if self.name in FILES_ONLY and self.path is None:
            raise ValueError(
                f"dataset.path must name the official file or folder of {self.name}, because perturb has no renderer of it"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_what_others_lack(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit `sha256` if it is None, so that it does not change the config hash of datasets that do not use it."""
        return {key: value for key, value in handler(self).items() if key != "sha256" or value is not None}


class RestartsConfig(Section):
    """The β-VAEs from which the most and the least entangled are selected."""

    num: int = Field(ge=2)
    """Number of restarts."""
    objective: Annotated[BetaVAEConfig | FallingBetaVAEConfig, Field(discriminator="kind")] = BetaVAEConfig()


class SelectionConfig(Section):
    """The rule that selects the restarts against which m_ψ is trained."""

    metric: MetricName = "mig"
    """Name of the metric that ranks the restarts, a key of `perturb.metrics.METRICS`."""
    keep: int = Field(default=1, ge=1)
    """Number of models in each of the two ensembles."""
    max_unit_variance: float = Field(default=0.8, gt=0)
    """A unit is active if its posterior variance, averaged over the data, is below this. A restart with fewer active units
    than factors is over-pruned and not eligible (thesis 4.3.4)."""


class ExperimentConfig(Section):
    """Everything that determines the result. Where it runs (device, workers, folders) is not part of it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=LONGEST_NAME)
    """Name of the experiment. The name of its report folder starts with it."""
    seed: int = Field(default=0, ge=0)
    """Root of all randomness."""
    dataset: DatasetConfig
    training: TrainingConfig
    restarts: RestartsConfig
    selection: SelectionConfig = SelectionConfig()
    perturbation: PerturbationConfig
    alternatives: dict[VariantName, PerturbationConfig] = Field(default={})
    """Alternative m_ψ, trained against the same restarts. Each can be a variant of the evaluation under its name here."""
    published: PublishedConfig | None = Field(default=None, exclude_if=lambda published: published is None)
    """Published patterns of this m_ψ, which replace its training and that of the restarts. None: m_ψ is trained."""
    collapse: CollapseConfig = CollapseConfig()
    evaluation: EvaluationConfig
    search: SearchConfig | None = None
    """Settings of the line search. None: no line search."""
    readout: ReadoutConfig | None = None
    """Settings of the supervised networks that read the factors. None: no such networks."""
    metrics: MetricsConfig = MetricsConfig()

    @field_serializer("metrics")
    def _without_protocols_that_nobody_asks_for(self, metrics: MetricsConfig) -> dict[str, Any]:
        """Omit the protocols of metrics that are not computed, so that results older than protocols keep their hashes."""
        searched = self.search.metrics if self.search else ()
        return metrics.of(self.selection.metric, *self.evaluation.metrics, *searched).model_dump()

    @model_validator(mode="after")
    def _variants_are_known(self) -> "ExperimentConfig":
        known = list(dict.fromkeys([*VARIANTS, *self.alternatives]))
        if taken := sorted(set(self.alternatives) & set(VARIANTS)):
            raise ValueError(f"alternatives must have names of their own; taken: {', '.join(taken)}")
        for field, variants in (("evaluation", self.evaluation.variants), ("search", self.search and self.search.variants)):
            if unknown := [variant for variant in variants or () if variant not in known]:
                raise ValueError(f"{field}.variants {not_among(unknown, known)}")
        drawn = [variant for variant in known if variant not in ONE_PATTERN]
        table = self.evaluation.draws if isinstance(self.evaluation.draws, dict) else {}
        if unknown := [variant for variant in table if variant not in drawn]:
            raise ValueError(f"evaluation.draws must name some of {', '.join(drawn)}; got {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _a_span_is_of_cells(self) -> "ExperimentConfig":
        variants = dict.fromkeys((*self.evaluation.variants, *(self.search.variants if self.search else ())))
        confined = [variant for variant in variants if variant in CONTROLS and CONTROLS[variant].in_span]
        if confined and self.perturbation.generator != "coarse":
            raise ValueError(
                f'perturbation.generator must be "coarse" for {" and ".join(confined)}, because the images\' directions are '
                f'those of their 8 × 8 cells; it is "{self.perturbation.generator}"'
            )
        return self

    def form(self, variant: str) -> PerturbationConfig:
        """Return the settings of the m_ψ that draws a variant, or that lends the variant its ε and bound."""
        return self.alternatives.get(variant, self.perturbation)

    @property
    def largest_epsilon(self) -> float:
        """The largest change of a pixel in any variant of the evaluation. Alternatives can have their own ε."""
        return max(self.form(variant).epsilon for variant in self.evaluation.variants)

    def draws(self, variant: str) -> int:
        """Return the number of independent patterns of a variant."""
        return 1 if variant in ONE_PATTERN else self.evaluation.patterns_of(variant)

    @model_validator(mode="after")
    def _enough_restarts(self) -> "ExperimentConfig":
        needed = 2 * self.selection.keep
        if self.restarts.num < needed:
            raise ValueError(
                f"restarts.num must be at least 2 × selection.keep = {needed}, because the most and the least entangled "
                f"models are different ones; it is {self.restarts.num}"
            )
        return self
