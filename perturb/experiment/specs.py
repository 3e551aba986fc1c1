"""The specs of an experiment's runs, one method per kind. Costs are rough seconds on a slow core; only ratios matter."""

import math
from collections.abc import Mapping, Sequence
from typing import cast

from perturb.analysis.saved_analyses import CodesRun, PredictionRun, ReadoutRun, VariancesRun
from perturb.benchmark.recipe import Published
from perturb.benchmark.saved_files import FileRun
from perturb.config import (
    ExperimentConfig,
    MethodConfig,
    ObjectiveConfig,
    PerturbationConfig,
    PublishedRecipe,
    ReadoutConfig,
    Section,
    TrainingConfig,
)
from perturb.config.metrics import MetricName, MetricsConfig
from perturb.datasets.ground_truth import GroundTruth
from perturb.datasets.saved_images import ImagesRun, PixelsRun
from perturb.experiment.stages import STAGES
from perturb.experiment.stages.over_steps import OverStepsRun
from perturb.metrics import METRICS
from perturb.perturbation.saved_networks import PerturbationRun
from perturb.random.seeds import child_seed
from perturb.runs import RunSpec
from perturb.statistics.saved_scores import ScoresRun
from perturb.training.saved_models import TrainingRun
from perturb.variants import CONTROLS, MATCHED_NOISES, Variant, VariantPattern

SECONDS = {"milliseconds": 0.1, "seconds": 1.0, "minutes": 100.0}
"""Seconds that a metric takes with default settings, by its `cost`."""


class Namer:
    """Builds the specs of one experiment."""

    def __init__(self, config: ExperimentConfig, ground_truth: GroundTruth) -> None:
        self.config = config
        self.num_factors, self.num_images = ground_truth.grid.num_factors, ground_truth.grid.num_images
        height, width, channels = ground_truth.image_shape
        self.copying = 2e-8 * self.num_images * height * width * channels
        self.image_seconds = 2.5e-4 * (height / 32) ** 2

    def run(
        self, kind: str, config: Section, inputs: Mapping[str, RunSpec], *, label: str = "", cost: float = 1.0
    ) -> RunSpec:
        """Return the spec of a run of one kind."""
        return RunSpec(kind=kind, version=STAGES[kind].version, config=config, inputs=inputs, label=label or kind, cost=cost)

    def images(self) -> RunSpec:
        """Return the run that lays out the images of the ground truth for memory mapping."""
        return self.run("images", ImagesRun(dataset=self.config.dataset), {}, cost=self.copying)

    def restart(self, images: RunSpec, index: int) -> RunSpec:
        """Return the run that scores restart `index`, one of the β-VAEs from which the opponents of m_ψ are selected."""
        training, objective = self.config.training, self.config.restarts.objective
        trained = self._trained(images, objective, training, ("restart", index), f"restart {index}")
        return self._scored(images, trained, (self.config.selection.metric,))

    def evaluation(
        self, method: MethodConfig, column: VariantPattern, pixels: RunSpec, index: int, metrics: tuple[MetricName, ...]
    ) -> RunSpec:
        """Return the run that scores a method on one variant with one seed."""
        training, label = method.training or self.config.training, f"{method.name}, {column.name}, seed {index}"
        trained = self._trained(pixels, method.objective, training, ("evaluation", index), label)
        return self._scored(pixels, trained, metrics)

    def _trained(
        self, images: RunSpec, objective: ObjectiveConfig, training: TrainingConfig, path: Sequence[str | int], label: str
    ) -> RunSpec:
        seed = child_seed(self.config.seed, *path)
        return self.run(
            "restart",
            TrainingRun(
                dataset=self.config.dataset,
                objective=objective,
                training=training,
                latents=training.latents or self.num_factors,
                seed=seed,
            ),
            {"images": images},
            label=label,
            cost=training.steps * training.batch_size * self._seconds_of(objective),
        )

    def _seconds_of(self, objective: ObjectiveConfig) -> float:
        """Estimate the seconds that training takes per image of a batch."""
        work = objective.work * getattr(objective, "discriminator_width", 1)
        return self.image_seconds * work + objective.seconds_beside_images

    def over_steps(self, images: RunSpec, index: int, steps: Sequence[int]) -> RunSpec:
        """Return the run that scores restart `index` after each of these steps."""
        scores = self.restart(images, index)
        trained = scores.inputs["restart"]
        config = OverStepsRun(training=trained.config, scoring=scores.config, steps=tuple(steps))
        return self.run("over_steps", config, {"images": images}, label=trained.label, cost=trained.cost)

    def _scored(self, images: RunSpec, restart: RunSpec, metrics: tuple[MetricName, ...]) -> RunSpec:
        """Return the run that scores a training, under the training's label."""
        # Only settings of these metrics: a change of DCI's trees must not invalidate the restarts' MIG and what follows it.
        used = {name: getattr(self.config.metrics, name) for name in metrics}
        own = MetricsConfig.library().model_copy(update=used)  # as in runs up to version 0.2, so that these are reused
        settings = ScoresRun(
            dataset=self.config.dataset, metrics=metrics, settings=own, seed=child_seed(self.config.seed, "scores")
        )
        encoded = self.num_images if any(METRICS[name].interventional for name in metrics) else 0
        cost = 1.0 + sum(map(self._seconds_of_metric, metrics)) + encoded * self.image_seconds / 3
        inputs = {"images": images, "restart": restart}
        return self.run("scores", settings, inputs, label=restart.label, cost=cost)

    def codes(self, scores: RunSpec) -> RunSpec:
        """Return the run that measures how the codes of a scored training hold the factors, under the training's label."""
        config = CodesRun(dataset=self.config.dataset, seed=child_seed(self.config.seed, "codes"))
        return self.run("codes", config, scores.inputs, label=scores.label, cost=2.0)

    def _seconds_of_metric(self, name: MetricName) -> float:
        """Estimate the seconds of a metric, which grow with the rows that it reads and with its trees."""
        settings = getattr(self.config.metrics, name)
        usual, growing = type(settings)(), {"num_train", "trees"} & type(settings).model_fields.keys()
        return SECONDS[METRICS[name].cost] * math.prod(getattr(settings, key) / getattr(usual, key) for key in growing)

    def pattern(self, column: VariantPattern, inputs: Mapping[str, RunSpec]) -> RunSpec:
        """Return the run that trains m_ψ against the selected ones of the restarts in `inputs`."""
        form = self.config.form(column.variant)
        cost = 1.0 + form.tries * form.steps * self._seconds_of_pattern(form) + self._seconds_of_trials(form)
        config = self._pattern_config(column, "perturbation" if column.variant == "modified" else column.variant)
        return self.run("perturbation", config, inputs, label=f"m_ψ, {column.name}", cost=cost)

    def published(self, column: VariantPattern, recipe: Published, inputs: Mapping[str, RunSpec]) -> RunSpec:
        """Return the run that takes the network of a published recipe."""
        assert recipe.recipe.network is not None, "variants that a network draws have one in their recipe"
        config = PerturbationRun(
            dataset=self.config.dataset,
            perturbation=recipe.recipe.network.perturbation,
            architecture=recipe.recipe.network.architecture,
            seed=0,
            published=self._recipe(column, recipe),
        )
        return self.run("published", config, inputs, label=f"published m_ψ, {column.name}", cost=20.0)

    def _recipe(self, column: VariantPattern, recipe: Published | None) -> PublishedRecipe | None:
        """Return what identifies a published recipe; None without one."""
        place = self.config.published
        if place is None or recipe is None:
            return None
        return PublishedRecipe(benchmark=place.benchmark, folder=place.folder, name=column.name, sha256=recipe.recipe_sha256)

    def _seconds_of_pattern(self, form: PerturbationConfig) -> float:
        """Estimate the seconds of one step of m_ψ."""
        if form.form in ("literal", "residual"):
            codes = form.batch_size * (form.decoder_steps + 0.5) * 2 * self.config.selection.keep * form.latent_samples
            return codes * (self.image_seconds / 2 if form.form == "literal" else 1e-5)
        images = self.num_images if form.form == "literal_exact" else form.alignment.points
        return 1e-4 * images * (self.image_seconds / 2.5e-4)

    def _seconds_of_trials(self, form: PerturbationConfig) -> float:
        """Estimate the seconds that the trial trainings of all tries take."""
        images = form.tries * form.trial_steps * self.config.training.batch_size
        return images * self._seconds_of(self.config.restarts.objective)

    def control(self, column: VariantPattern, images: RunSpec, trained: RunSpec) -> RunSpec:
        """Return the run of a control of a trained m_ψ. Controls of the same m_ψ share their seed and what they redraw."""
        control = CONTROLS[column.variant]
        config = self._pattern_config(column, "untrained").model_copy(
            update={"redraw": control.redraw, "in_span": control.in_span}
        )
        inputs = {"images": images, "perturbation": trained}
        if config.perturbation.trial_steps:
            inputs["restart-0"] = trained.inputs["restart-0"]  # its config says how models are trained
        cost = 20.0 + self._seconds_of_trials(config.perturbation)
        return self.run("untrained", config, inputs, label=column.name, cost=cost)

    def _pattern_config(self, column: VariantPattern, stage: str) -> PerturbationRun:
        return PerturbationRun(
            dataset=self.config.dataset,
            perturbation=self.config.form(column.variant),
            architecture=self.config.training.architecture,
            seed=child_seed(self.config.seed, stage, *([column.pattern] if column.pattern else [])),
        )

    def file(
        self,
        column: VariantPattern,
        images: RunSpec,
        pattern: Mapping[str, RunSpec],
        recipe: Published | None,
    ) -> RunSpec:
        """Return the run of a benchmark file. A file of an alternative m_ψ has the variant `modified`.

        `pattern` holds the run of the `network` that draws the pattern, or of the one that its noise is `matched` to;
        `recipe` is the published one, if the experiment uses published patterns.
        """
        form, variant = self.config.form(column.variant), column.variant
        kind = "modified" if variant in self.config.alternatives else cast("Variant", variant)
        settings = FileRun(
            dataset=self.config.dataset,
            variant=kind,
            epsilon=0.0 if kind == "original" else form.epsilon,
            bound=form.bound,
            seed=child_seed(self.config.seed, "noise", *([variant, column.pattern] if variant in MATCHED_NOISES else [])),
            published=self._recipe(column, recipe),
        )
        return self.run("file", settings, {"images": images, **pattern}, label=f"{column.name}.h5", cost=3 * self.copying)

    def pixels(self, file: RunSpec) -> RunSpec:
        """Return the run that unpacks the images of a file."""
        settings = PixelsRun(dataset=self.config.dataset)
        return self.run("pixels", settings, {"file": file}, label=file.label, cost=self.copying)

    def readout(self, settings: ReadoutConfig, column: VariantPattern, pixels: RunSpec, index: int) -> RunSpec:
        """Return the run of a supervised network on one variant. Seed k has the same split and batches on every variant."""
        config = ReadoutRun(
            dataset=self.config.dataset, readout=settings, seed=child_seed(self.config.seed, "readout", index)
        )
        cost = settings.steps * settings.batch_size * self.image_seconds / 2
        return self.run("readout", config, {"pixels": pixels}, label=f"readout, {column.name}, seed {index}", cost=cost)

    def prediction(self, column: VariantPattern, file: RunSpec, inputs: Mapping[str, RunSpec]) -> RunSpec:
        """Return the run that predicts a pattern's effect from the codes of the selected restarts in `inputs`."""
        config = PredictionRun(
            dataset=self.config.dataset,
            price=self.config.form(column.variant).alignment.price,
            seed=child_seed(self.config.seed, "prediction"),
        )
        return self.run("prediction", config, {**inputs, "file": file}, label=f"prediction, {column.name}", cost=10.0)

    def variances(self, images: RunSpec, pixels: RunSpec) -> RunSpec:
        """Return the run that measures the variance that factors and perturbation induce in the pixels of one variant."""
        config = VariancesRun(dataset=self.config.dataset, seed=child_seed(self.config.seed, "variances"))
        inputs = {"images": images, "pixels": pixels}
        return self.run("variances", config, inputs, label=f"variances, {pixels.label}", cost=10.0)
