"""The plan: the runs of an experiment. Ids depend on configs alone, so all of them are known before anything runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from perturb.config import ExperimentConfig, MethodConfig
from perturb.datasets import open_ground_truth
from perturb.errors import UserError, not_among
from perturb.experiment.checks import check_sizes
from perturb.experiment.columns import columns_of
from perturb.experiment.networks import Networks, published_networks, trained_networks
from perturb.experiment.published import recipes_of, with_recipes
from perturb.experiment.specs import Namer
from perturb.report import inputs
from perturb.report.build import ReportRun
from perturb.report.entries import check_entries
from perturb.runs import RunSpec
from perturb.variants import MATCHED_NOISES, VariantPattern

BASELINE = VariantPattern("original")
READ_SOME = "codes", "report"
"""Kinds of runs that do not need all images of a file, so that these may be removed before."""


@dataclass(frozen=True, kw_only=True)
class PlannedStage:
    """A group of runs under one heading."""

    title: str
    """Human-readable heading of the stage."""
    runs: tuple[RunSpec, ...]

    @property
    def name(self) -> str:
        """The title with hyphens instead of spaces, as used in commands."""
        return self.title.replace(" ", "-")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An experiment as runs, in the order of the data flow."""

    config: ExperimentConfig
    images: RunSpec
    networks: Networks
    """The networks that draw the patterns, and what they are made from."""
    files: dict[VariantPattern, RunSpec]
    pixels: dict[VariantPattern, RunSpec]
    """The unpacked images of each file, which trainings map into memory. They belong to no stage: the first run that needs
    them unpacks them, and they are removed once no run of the plan will read all of them."""
    evaluations: dict[tuple[str, VariantPattern, int], RunSpec]
    """Scores by (method, column, seed number). The training is their input. Each seed uses one pattern of each variant."""
    codes: dict[tuple[str, VariantPattern, int], RunSpec]
    """Measurements of how the codes of each evaluation hold the factors."""
    search: dict[tuple[str, float, VariantPattern, int], RunSpec]
    """Scores of the line search by (method, factor of its primary hyper-parameter, column, seed number)."""
    readouts: dict[tuple[VariantPattern, int], RunSpec]
    variances: dict[VariantPattern, RunSpec]
    predictions: dict[VariantPattern, RunSpec]
    """One prediction for each pattern that a network draws, with the restarts that it was trained against."""
    report: RunSpec

    @property
    def stages(self) -> tuple[PlannedStage, ...]:
        """All stages that have runs, in order."""
        networks = self.networks
        stages = (
            PlannedStage(title="ground truth", runs=(self.images,)),
            PlannedStage(title="restarts", runs=networks.restarts),
            PlannedStage(title="selection", runs=(networks.selection,) if networks.selection else ()),
            PlannedStage(title="perturbation", runs=tuple(networks.patterns.values())),
            PlannedStage(title="benchmark files", runs=(*networks.controls.values(), *self.files.values())),
            PlannedStage(title="prediction", runs=tuple(self.predictions.values())),
            PlannedStage(title="evaluation", runs=tuple(self.evaluations.values())),
            PlannedStage(title="codes", runs=tuple(self.codes.values())),
            PlannedStage(title="line search", runs=tuple(self.search.values())),
            PlannedStage(title="readout", runs=(*self.readouts.values(), *self.variances.values())),
            PlannedStage(title="report", runs=(self.report,)),
        )
        return tuple(stage for stage in stages if stage.runs)

    @property
    def readers(self) -> dict[RunSpec, list[RunSpec]]:
        """The runs that read all images of a file, by the run that unpacks them. Others read some of them, from the file."""
        unpacked = {spec.id: spec for column, spec in self.pixels.items() if column != BASELINE}
        readers: dict[RunSpec, list[RunSpec]] = {spec: [] for spec in unpacked.values()}
        for spec in _with_inputs(run for stage in self.stages for run in stage.runs):
            for needed in spec.inputs.values():
                if needed.id in unpacked and spec.kind not in READ_SOME:
                    readers[unpacked[needed.id]].append(spec)
        return readers

    def stage(self, name: str) -> PlannedStage:
        """Return a stage by its name or title. An unknown one raises a UserError that lists the names."""
        for stage in self.stages:
            if name in (stage.name, stage.title):
                return stage
        raise UserError(f"stage {not_among([name], [stage.name for stage in self.stages])}.")


def _with_inputs(runs: Iterable[RunSpec]) -> list[RunSpec]:
    """Return these runs and all runs that they depend on, each once."""
    by_id: dict[str, RunSpec] = {}
    waiting = list(runs)
    while waiting:
        spec = waiting.pop()
        if spec.id not in by_id:
            by_id[spec.id] = spec
            waiting += spec.inputs.values()
    return list(by_id.values())


def plan_experiment(config: ExperimentConfig) -> Plan:
    """Plan every run of an experiment.

    Raises:
        UserError: the config does not fit its dataset, or the dataset's file cannot be used.

    """
    ground_truth = open_ground_truth(config.dataset)
    check_sizes(config, ground_truth)
    check_entries(config, ground_truth.grid)
    recipes = recipes_of(config, ground_truth.name)
    config = with_recipes(config, recipes)
    namer = Namer(config, ground_truth)
    images = namer.images()
    if config.published is None:
        networks = trained_networks(config, namer, images)
    else:
        networks = published_networks(config, namer, images, recipes)
    drawn_by = {**networks.patterns, **networks.controls}
    files = {
        column: namer.file(column, images, _pattern(column, drawn_by), recipes.get(column)) for column in columns_of(config)
    }
    pixels = {column: images if column == BASELINE else namer.pixels(file) for column, file in files.items()}
    evaluations = {
        (method.name, column, index): namer.evaluation(method, column, pixels[column], index, config.evaluation.metrics)
        for index in range(config.evaluation.seeds)
        for method in config.evaluation.methods
        if index in config.evaluation.seeds_of(method)
        for column in _met(config, config.evaluation.variants, index)
    }
    parts = {
        "images": images,
        "networks": networks,
        "files": files,
        "pixels": pixels,
        "evaluations": evaluations,
        "codes": {key: namer.codes(scores) for key, scores in evaluations.items()},
        "search": _search(config, namer, pixels),
        "readouts": _readouts(config, namer, pixels),
        "variances": {}
        if config.readout is None
        else {column: namer.variances(images, pixels[column]) for column in pixels},
        "predictions": {
            column: namer.prediction(column, file, networks.models)
            for column, file in files.items()
            if column in drawn_by and networks.models
        },
    }
    report = namer.run("report", ReportRun(experiment=config), report_inputs(**parts))
    return Plan(config=config, report=report, **parts)


def _pattern(column: VariantPattern, drawn_by: Mapping[VariantPattern, RunSpec]) -> dict[str, RunSpec]:
    """Return the run that a variant's pattern is drawn by or matched to, under the name of the file's input."""
    if column.variant in MATCHED_NOISES:
        return {"matched": drawn_by[VariantPattern("modified", column.pattern)]}
    return {"network": drawn_by[column]} if column in drawn_by else {}


def _met(config: ExperimentConfig, variants: Iterable[str], index: int) -> list[VariantPattern]:
    """Return the columns that seed number `index` is trained on: one pattern of each variant."""
    return [VariantPattern(variant, index % config.draws(variant)) for variant in variants]


def _search(
    config: ExperimentConfig, namer: Namer, pixels: Mapping[VariantPattern, RunSpec]
) -> dict[tuple[str, float, VariantPattern, int], RunSpec]:
    """Plan the line search over methods that have a primary hyper-parameter."""
    if config.search is None:
        return {}
    return {
        (method.name, factor, column, index): namer.evaluation(
            _scaled(method, field, factor), column, pixels[column], index, config.search.metrics
        )
        for index in range(config.search.seeds)
        for method in config.evaluation.methods
        if (field := method.objective.primary) is not None and index in config.evaluation.seeds_of(method)
        for factor in config.search.factors
        for column in _met(config, config.search.variants, index)
    }


def _scaled(method: MethodConfig, field: str, factor: float) -> MethodConfig:
    """Return a method with one of its hyper-parameters multiplied by a factor."""
    objective = method.objective.model_copy(update={field: getattr(method.objective, field) * factor})
    return method.model_copy(
        update={"objective": objective, "name": f"{method.name} × {factor:g}" if factor != 1 else method.name}
    )


def _readouts(
    config: ExperimentConfig, namer: Namer, pixels: Mapping[VariantPattern, RunSpec]
) -> dict[tuple[VariantPattern, int], RunSpec]:
    """Plan the supervised networks on every variant."""
    if config.readout is None:
        return {}
    return {
        (column, index): namer.readout(config.readout, column, pixels[column], index)
        for index in range(config.readout.seeds)
        for column in _met(config, config.evaluation.variants, index)
    }


def report_inputs(
    *,
    images: RunSpec,
    networks: Networks,
    files: Mapping[VariantPattern, RunSpec],
    pixels: Mapping[VariantPattern, RunSpec],
    evaluations: Mapping[tuple[str, VariantPattern, int], RunSpec],
    codes: Mapping[tuple[str, VariantPattern, int], RunSpec],
    search: Mapping[tuple[str, float, VariantPattern, int], RunSpec],
    readouts: Mapping[tuple[VariantPattern, int], RunSpec],
    variances: Mapping[VariantPattern, RunSpec],
    predictions: Mapping[VariantPattern, RunSpec],
) -> dict[str, RunSpec]:
    """Return all runs that the report reads, under the names of its inputs."""
    runs = {inputs.IMAGES: images} | ({inputs.SELECTION: networks.selection} if networks.selection else {})
    runs |= {inputs.restart(index): spec for index, spec in enumerate(networks.restarts)}
    runs |= {inputs.trained(index): spec.inputs["restart"] for index, spec in enumerate(networks.restarts)}
    by_pattern: dict[inputs.OfPattern, Mapping[VariantPattern, RunSpec]] = {
        "pattern": {**networks.patterns, **networks.controls},
        "file": files,
        "pixels": pixels,
        "variances": variances,
        "prediction": predictions,
    }
    for kind, specs in by_pattern.items():
        runs |= {inputs.of_pattern(kind, column): spec for column, spec in specs.items()}
    for (method, column, seed), spec in evaluations.items():
        runs[inputs.scores(method, column.variant, seed)] = spec
        runs[inputs.training(method, column.variant, seed)] = spec.inputs["restart"]
        runs[inputs.codes(method, column.variant, seed)] = codes[method, column, seed]
    for (method, factor, column, seed), spec in search.items():
        runs[inputs.Searched(method, factor, column.variant, seed).name] = spec
    return runs | {inputs.readout(column.variant, seed): spec for (column, seed), spec in readouts.items()}
