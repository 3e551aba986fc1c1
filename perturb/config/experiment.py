"""The whole experiment: dataset, restarts, selection, perturbation, evaluation."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from perturb.config.metrics import MetricName, MetricsConfig
from perturb.config.objectives import BetaVAEConfig, ObjectiveConfig
from perturb.config.perturbation import CollapseConfig, PerturbationConfig
from perturb.config.section import Section

Variant = Literal["original", "modified", "noise", "untrained"]


OWN = "own"


FILES_ONLY = ("mpi3d_toy", "mpi3d_realistic", "mpi3d_real", "cars3d", "smallnorb")
"""Datasets that perturb does not render."""


class DatasetConfig(Section):
    """Which ground truth."""

    name: Literal["mini", "dsprites", "shapes3d", "mpi3d_toy", "mpi3d_realistic", "mpi3d_real", "cars3d", "smallnorb", "own"]
    """Key in DATASETS, or "own" for a ground truth that a Python file defines."""
    path: Path | None = None
    """The official file or folder, a benchmark file, of dSprites and Shapes3D also a folder that tensorflow_datasets has
    prepared, or that Python file; None: our renderer of the same factor grid."""
    sha256: str | None = None
    """Of that Python file, or of a benchmark file's images; filled in when the config is loaded: others make other runs."""

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
        """Other datasets' hashes do not change by a field that they have no use for."""
        return {key: value for key, value in handler(self).items() if key != "sha256" or value is not None}


class TrainingConfig(Section):
    """How one model is trained. Shared by the restarts and the evaluation."""

    architecture: Literal["conv64", "conv32"]
    """Key in ARCHITECTURES: conv64 is disentanglement_lib's for 64 × 64 images, conv32 its smaller twin."""
    latents: int | None = Field(default=None, ge=2)
    """Size of the code; None: the number of factors, as in the thesis."""
    steps: int = Field(default=300_000, ge=1)
    """Updates."""
    batch_size: int = Field(default=64, ge=1)
    """Images in a batch, drawn uniformly from the grid with replacement."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Adam's learning rate (betas 0.9 and 0.999, eps 1e-8)."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the networks' forward and backward passes; weights and losses are float32 always."""
    checkpoint_every: int = Field(default=5_000, ge=1)
    """Updates between two checkpoints: at most so many are lost when the process dies."""


class RestartsConfig(Section):
    """The β-VAEs among which the most and the least entangled are looked for."""

    num: int = Field(ge=2)
    """Number of restarts."""
    objective: BetaVAEConfig = BetaVAEConfig()


class SelectionConfig(Section):
    """Which restarts m_ψ is trained against."""

    metric: MetricName = "mig"
    """Key in METRICS."""
    keep: int = Field(default=1, ge=1)
    """Models in each of the two ensembles."""
    max_unit_variance: float = Field(default=0.8, gt=0)
    """A restart is over-pruned, and not eligible, when the posterior variance of one of its units, averaged over the data,
    is this or more (thesis 4.3.4)."""


class MethodConfig(Section):
    """A row of the tables."""

    name: str = Field(min_length=1)
    """As the tables print it."""
    objective: ObjectiveConfig
    training: TrainingConfig | None = None
    """None: the experiment's."""


class EvaluationConfig(Section):
    """Which methods are retrained on which variants, with how many fresh seeds."""

    seeds: int = Field(default=10, ge=2)
    """Fresh seeds for each method and variant; seed k starts and draws alike on every variant."""
    variants: tuple[Variant, ...] = ("original", "modified", "noise")
    """Columns of the tables; the first must be `original`."""
    methods: tuple[MethodConfig, ...] = Field(min_length=1)
    metrics: tuple[MetricName, ...] = Field(default=("mig",), min_length=1)
    """Keys in METRICS."""
    bootstrap_samples: int = Field(default=10_000, ge=100)
    """Resamples behind each confidence interval."""

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


class ExperimentConfig(Section):
    """Everything that determines the result. Where it runs (device, workers, folders) is not part of it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Of the report's folder."""
    seed: int = Field(default=0, ge=0)
    """Root of all randomness."""
    dataset: DatasetConfig
    training: TrainingConfig
    restarts: RestartsConfig
    selection: SelectionConfig = SelectionConfig()
    perturbation: PerturbationConfig
    collapse: CollapseConfig = CollapseConfig()
    evaluation: EvaluationConfig
    metrics: MetricsConfig = MetricsConfig()

    @model_validator(mode="after")
    def _enough_restarts(self) -> "ExperimentConfig":
        needed = 2 * self.selection.keep
        if self.restarts.num < needed:
            raise ValueError(
                f"restarts.num must be at least 2 × selection.keep = {needed}, because the most and the least entangled "
                f"models are different ones; it is {self.restarts.num}"
            )
        return self
