"""Which runs an experiment consists of. Ids follow from configs alone, so the whole plan is known before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from perturb.config import ExperimentConfig, MethodConfig, ObjectiveConfig, Section, TrainingConfig
from perturb.config.experiment import Variant
from perturb.config.metrics import MetricName
from perturb.config.objectives import PAIRED_KINDS
from perturb.datasets import open_ground_truth
from perturb.datasets.ground_truth import GroundTruth
from perturb.errors import UserError
from perturb.metrics import METRICS
from perturb.models import ARCHITECTURES
from perturb.pipeline import configs
from perturb.pipeline.stages import STAGES
from perturb.runs import RunSpec
from perturb.seeding import child_seed

SECONDS = {"milliseconds": 0.1, "seconds": 5.0, "minutes": 100.0}
"""Of a metric, by its cost."""


@dataclass(frozen=True, kw_only=True)
class PlannedStage:
    """Runs that do not need each other, under one heading."""

    title: str
    runs: tuple[RunSpec, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An experiment as runs, in the order the data takes."""

    config: ExperimentConfig
    images: RunSpec
    restarts: tuple[RunSpec, ...]
    """Scores of each restart; the training is their input."""
    selection: RunSpec
    perturbation: RunSpec
    files: dict[str, RunSpec]
    """By variant."""
    pixels: dict[str, RunSpec]
    """By variant: what a training on it maps."""
    evaluations: dict[tuple[str, str, int], RunSpec]
    """Scores by (method, variant, seed number); the training is their input."""
    report: RunSpec

    @property
    def stages(self) -> tuple[PlannedStage, ...]:
        """From top to bottom."""
        controls = tuple(s.inputs["network"] for v, s in self.files.items() if v == "untrained")
        unpacked = tuple(spec for variant, spec in self.pixels.items() if variant != "original")
        return (
            PlannedStage(title="ground truth", runs=(self.images,)),
            PlannedStage(title="restarts", runs=self.restarts),
            PlannedStage(title="selection", runs=(self.selection,)),
            PlannedStage(title="perturbation", runs=(self.perturbation,)),
            PlannedStage(title="benchmark files", runs=(*controls, *self.files.values(), *unpacked)),
            PlannedStage(title="evaluation", runs=tuple(self.evaluations.values())),
            PlannedStage(title="report", runs=(self.report,)),
        )

    def stage(self, title: str) -> PlannedStage:
        """One stage by its title; an unknown title is a UserError that lists the titles."""
        for stage in self.stages:
            if stage.title == title:
                return stage
        raise UserError(f"stage must be one of {', '.join(s.title for s in self.stages)}; got {title}.")


def plan_experiment(config: ExperimentConfig) -> Plan:
    """Name every run of an experiment.

    Raises:
        UserError: the config does not fit its dataset, or the dataset's file cannot be used.

    """
    ground_truth = open_ground_truth(config.dataset)
    _check_sizes(config, ground_truth)
    namer = _Namer(config, ground_truth)
    images = namer.run("images", configs.ImagesRun(dataset=config.dataset), {}, cost=namer.copying)
    restarts = tuple(namer.restart(images, index) for index in range(config.restarts.num))
    selection = namer.run(
        "selection",
        configs.SelectionRun(selection=config.selection),
        {f"scores-{index}": scores for index, scores in enumerate(restarts)},
    )
    trained = {f"restart-{index}": scores.inputs["restart"] for index, scores in enumerate(restarts)}
    perturbation = namer.run(
        "perturbation",
        namer.perturbation_config("perturbation"),
        {"images": images, "selection": selection, **trained},
        cost=namer.perturbing,
    )
    files = {variant: namer.file(variant, images, perturbation) for variant in config.evaluation.variants}
    pixels = {variant: images if variant == "original" else namer.pixels(file) for variant, file in files.items()}
    evaluations = {
        (method.name, variant, index): namer.evaluation(method, variant, pixels[variant], index)
        for index in range(config.evaluation.seeds)
        for method in config.evaluation.methods
        for variant in config.evaluation.variants
    }
    inputs = {"images": images, "selection": selection, "perturbation": perturbation}
    inputs |= {f"restart/{index}": spec for index, spec in enumerate(restarts)}
    inputs |= {f"file/{variant}": spec for variant, spec in files.items()}
    inputs |= {f"pixels/{variant}": spec for variant, spec in pixels.items()}
    inputs |= {f"scores/{method}/{variant}/{index}": spec for (method, variant, index), spec in evaluations.items()}
    report = namer.run("report", configs.ReportRun(experiment=config), inputs)
    return Plan(
        config=config,
        images=images,
        restarts=restarts,
        selection=selection,
        perturbation=perturbation,
        files=files,
        pixels=pixels,
        evaluations=evaluations,
        report=report,
    )


class _Namer:
    """Builds the specs of one experiment. Costs are rough seconds of a slow core: only their ratios matter."""

    def __init__(self, config: ExperimentConfig, ground_truth: GroundTruth) -> None:
        self.config = config
        self.num_factors, self.num_images = ground_truth.grid.num_factors, ground_truth.grid.num_images
        height, width, channels = ground_truth.image_shape
        self.copying = 2e-8 * self.num_images * height * width * channels
        self.image_seconds = 2.5e-4 * (height / 32) ** 2
        perturbation = config.perturbation
        literal = perturbation.form == "literal"
        passes = (perturbation.decoder_steps + 0.5) * 2 * config.selection.keep * perturbation.latent_samples
        per_code = self.image_seconds / 2 if literal else 1e-5
        self.perturbing = 1.0 + perturbation.steps * perturbation.batch_size * passes * per_code

    def run(self, kind: str, config: Section, inputs: dict[str, RunSpec], *, label: str = "", cost: float = 1.0) -> RunSpec:
        return RunSpec(kind=kind, version=STAGES[kind].version, config=config, inputs=inputs, label=label or kind, cost=cost)

    def restart(self, images: RunSpec, index: int) -> RunSpec:
        trained = self._trained(
            images, self.config.restarts.objective, self.config.training, ("restart", index), f"restart {index}"
        )
        return self._scored(images, trained, (self.config.selection.metric,))

    def evaluation(self, method: MethodConfig, variant: Variant, pixels: RunSpec, index: int) -> RunSpec:
        training = method.training or self.config.training
        trained = self._trained(
            pixels, method.objective, training, ("evaluation", index), f"{method.name}, {variant}, seed {index}"
        )
        return self._scored(pixels, trained, self.config.evaluation.metrics)

    def _trained(
        self, images: RunSpec, objective: ObjectiveConfig, training: TrainingConfig, path: Sequence[str | int], label: str
    ) -> RunSpec:
        seed = child_seed(self.config.seed, *path)
        return self.run(
            "restart",
            configs.RestartRun(
                dataset=self.config.dataset,
                objective=objective,
                training=training,
                latents=training.latents or self.num_factors,
                seed=seed,
            ),
            {"images": images},
            label=label,
            cost=training.steps * training.batch_size * self.image_seconds,
        )

    def _scored(self, images: RunSpec, restart: RunSpec, metrics: tuple[MetricName, ...]) -> RunSpec:
        """Scores of a training, under its label."""
        settings = configs.ScoresRun(
            dataset=self.config.dataset,
            metrics=metrics,
            settings=self.config.metrics,
            seed=child_seed(self.config.seed, "scores"),
        )
        encoded = self.num_images if any(METRICS[name].interventional for name in metrics) else 0
        cost = 1.0 + sum(SECONDS[METRICS[name].cost] for name in metrics) + encoded * self.image_seconds / 3
        inputs = {"images": images, "restart": restart}
        return self.run("scores", settings, inputs, label=restart.label, cost=cost)

    def perturbation_config(self, stage: str) -> configs.PerturbationRun:
        return configs.PerturbationRun(
            dataset=self.config.dataset,
            perturbation=self.config.perturbation,
            architecture=self.config.training.architecture,
            seed=child_seed(self.config.seed, stage),
        )

    def file(self, variant: Variant, images: RunSpec, perturbation: RunSpec) -> RunSpec:
        inputs = {"images": images}
        if variant == "modified":
            inputs["network"] = perturbation
        if variant == "untrained":
            inputs["network"] = self.run(
                "untrained", self.perturbation_config("untrained"), {"perturbation": perturbation}
            )  # fmt: skip
        settings = configs.FileRun(
            dataset=self.config.dataset,
            variant=variant,
            epsilon=0.0 if variant == "original" else self.config.perturbation.epsilon,
            bound=self.config.perturbation.bound,
            seed=child_seed(self.config.seed, "noise"),
        )
        return self.run("file", settings, inputs, label=f"{variant}.h5", cost=3 * self.copying)

    def pixels(self, file: RunSpec) -> RunSpec:
        return self.run(
            "pixels", configs.PixelsRun(dataset=self.config.dataset), {"file": file}, label=file.label, cost=self.copying
        )


def _check_sizes(config: ExperimentConfig, ground_truth: GroundTruth) -> None:
    """What an architecture and a method ask of the images, the batch and the code."""
    for training in {config.training, *(m.training for m in config.evaluation.methods if m.training)}:
        wanted, (height, width, _) = ARCHITECTURES[training.architecture].image_size, ground_truth.image_shape
        if (height, width) != (wanted, wanted):
            fitting = [name for name, a in ARCHITECTURES.items() if height == width == a.image_size]
            advice = f"choose {' or '.join(fitting)}" if fitting else "make images of 32 × 32 or 64 × 64"
            raise UserError(
                f"training.architecture = {training.architecture} is for {wanted} × {wanted} images, and the images of "
                f"{ground_truth.name} are {height} × {width}; {advice}."
            )
    for method in config.evaluation.methods:
        training = method.training or config.training
        if method.objective.kind in PAIRED_KINDS and training.batch_size % 2:
            raise UserError(
                f"{method.name}: training.batch_size must be even, because its batches are pairs of images; got "
                f"{training.batch_size}."
            )
        factors, latents = ground_truth.grid.num_factors, training.latents
        if method.objective.kind == "weakly_supervised_gan" and latents not in (None, factors):
            raise UserError(
                f"{method.name}: training.latents must be {factors}, the number of factors of {ground_truth.name}, because "
                f"each unit stands for a factor; got {latents}."
            )
