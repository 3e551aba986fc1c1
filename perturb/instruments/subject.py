"""The subject of an analysis: nothing, an experiment with its models, or an external model."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from perturb.config import ExperimentConfig, load_experiment
from perturb.config.experiment import DatasetConfig
from perturb.config.metrics import MetricsConfig
from perturb.datasets import FactorGrid, GroundTruth, open_ground_truth
from perturb.datasets.pixels import Pixels
from perturb.datasets.saved_images import open_some
from perturb.entries.packaged import BENCHMARKS
from perturb.errors import UserError, not_among
from perturb.experiment.plan import plan_experiment
from perturb.experiment.stages import STAGES
from perturb.external.protocols import Factory, load_factory
from perturb.manifests import MANIFEST, read_config, read_manifest, read_result
from perturb.metrics import METRICS, PartlyCoded, rows_to_encode, score
from perturb.objectives import Objective
from perturb.objectives.encode import encode
from perturb.random.seeds import child_seed
from perturb.runs import RunSpec, Store
from perturb.statistics.saved_scores import ScoresResult, ScoresRun
from perturb.statistics.scores import BASELINE
from perturb.training.saved_models import TrainingResult, TrainingRun, load_model

Kind = Literal["nothing", "run", "config", "dataset", "model"]
IN_WORDS: dict[Kind, str] = {
    "nothing": "no subject",
    "run": "the directory of a finished training (artifacts/runs/restart-…)",
    "config": "an experiment (configs/….toml)",
    "dataset": "an experiment, trained or not (configs/….toml)",
    "model": "a factory (my_package.my_module:name)",
}
"""Each kind of subject in words, for messages."""


@dataclass(frozen=True)
class TrainedModel:
    """A finished training by this package."""

    label: str
    """Label of the run: method, variant and seed."""
    run: Path
    """Directory of the run."""
    method: str = ""
    """Name of the method in its experiment, "restart" for restarts; empty for a run outside an experiment."""
    variant: str = BASELINE
    """The variant that it was trained on; for a run outside an experiment it is unknown, and the original is assumed."""
    scores: dict[str, float] = field(default_factory=dict[str, float])
    """Scores of the experiment's metrics, by key; empty for a run outside an experiment."""
    scoring: ScoresRun | None = None
    """The run that scored it within its experiment; None for a run outside an experiment."""

    @property
    def config(self) -> TrainingRun:
        """The settings that it was trained with."""
        return read_config(self.run, TrainingRun)

    @property
    def truth(self) -> GroundTruth:
        """The dataset that its images' factors belong to."""
        return open_ground_truth(self.config.dataset)

    @property
    def pixels(self) -> Pixels:
        """The images that it was trained on, for reading some of them."""
        return open_some(self.run.parent / read_manifest(self.run)["inputs"]["images"])

    @property
    def has_kl(self) -> bool:
        """True if it was trained with a KL term, so that its posteriors have a width."""
        return "kl" in read_result(self.run, TrainingResult).last

    def score(self, metrics: Sequence[str], device: str = "cpu") -> dict[str, float]:
        """Score the model's codes of the images that it was trained on, by metric.

        Images are drawn as for the experiment's own scores, so the experiment's metrics get the same scores.

        Raises:
            UserError: If a metric is unknown, or not defined for the codes.

        """
        settings = self.scoring.settings if self.scoring else MetricsConfig()
        seed, objective = child_seed(self.scoring.seed if self.scoring else 0, "scores"), self.objective(device)
        return scored(lambda rows: encode(objective, self.pixels, rows)[0], self.truth.grid, metrics, settings, seed=seed)

    def objective(self, device: str = "cpu") -> Objective:
        """Load the model, in evaluation mode and in float32."""
        return load_model(self.run, device)


def scored(
    codes: Callable[[np.ndarray], np.ndarray],
    grid: FactorGrid,
    metrics: Sequence[str],
    settings: MetricsConfig,
    *,
    seed: int,
) -> dict[str, float]:
    """Score a model's codes of a grid's images, by metric.

    Args:
        codes: From image numbers to codes (n, latents); called with the numbers that the metrics read.
        grid: Factor grid of the images.
        metrics: Keys of METRICS.
        settings: Settings of the metrics.
        seed: Seed of the metrics' draws.

    Raises:
        UserError: If a metric is unknown, or not defined for the codes.

    """
    rows = rows_to_encode(metrics, settings, grid, seed=seed)
    found = score(PartlyCoded(codes(rows), grid, rows), metrics, settings=settings, seed=seed, threads=1)
    return {name: values[METRICS[name].score] for name, values in found.items()}


@dataclass(frozen=True, kw_only=True)
class Subjects:
    """The input of an instrument: models, a dataset, or settings to train with."""

    kind: Kind
    name: str = ""
    """The subject as the user typed it."""
    trained: Sequence[TrainedModel] = ()
    """The trainings to examine: the given run, or the finished ones of an experiment, restarts first. Empty if the
    instrument trains models itself."""
    artifacts: Path = Path("artifacts")
    """Folder of an experiment's run directories."""
    truth: GroundTruth | None = None
    """The dataset of the images: an experiment's dataset, or the one that an external model is given."""
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict[str, Sequence[Path]])
    """Runs of an experiment's finished benchmark files by variant, one per pattern, without the original's."""
    factory: Factory | None = None
    """Factory of a trained external model."""
    changes: Sequence[str] = ()
    """Settings that override those of an experiment's file, each as a line of TOML."""

    @property
    def config(self) -> ExperimentConfig:
        """The settings of an experiment."""
        return load_experiment(Path(self.name), self.changes)

    def some(self, most: int, *, variants: Sequence[str] = (BASELINE,)) -> list[TrainedModel]:
        """Return up to `most` trainings of each method on each of the given variants, in their order."""
        counts: Counter[tuple[str, str]] = Counter()
        models: list[TrainedModel] = []
        for model in self.trained:
            counts[model.method, model.variant] += 1
            if model.variant in variants and counts[model.method, model.variant] <= most:
                models.append(model)
        return models


def subjects_of(
    asked: str | None,
    takes: Sequence[Kind],
    *,
    artifacts: Path,
    trains: bool = False,
    benchmark: str = BENCHMARKS[0],
    changes: Sequence[str] = (),
) -> Subjects:
    """Resolve a subject as the user typed it.

    Args:
        asked: A run's directory, a config's path or `package.module:name`; None for no subject.
        takes: The kinds of subject that the instrument accepts.
        artifacts: Folder of an experiment's run directories.
        trains: True if the instrument trains with an experiment's settings and does not need finished trainings.
        benchmark: Benchmark whose original images an external model is given.
        changes: Settings that override those of an experiment's file, as for `load_experiment`.

    Raises:
        UserError: If the subject or benchmark does not exist, the instrument does not accept this kind, there are changes
            but no experiment, or no training of an experiment is finished.

    """
    kind = _kind(asked)
    if kind == "config" and "dataset" in takes:
        kind = "dataset"
    if kind not in takes:
        given = f"got {asked}" if asked is not None else "got none"
        raise UserError(f"SUBJECT must be {' or '.join(IN_WORDS[one] for one in takes)}; {given}.")
    if changes and kind not in ("config", "dataset"):
        raise UserError(f"--set changes an experiment's settings, and SUBJECT is {IN_WORDS[kind]}; leave it out.")
    if asked is None:
        return Subjects(kind=kind)
    if kind == "model":
        if benchmark not in BENCHMARKS:
            raise UserError(f"BENCHMARK {not_among([benchmark], BENCHMARKS)}.")
        truth = open_ground_truth(DatasetConfig.model_validate({"name": benchmark}))
        return Subjects(kind=kind, name=asked, factory=load_factory(asked), truth=truth)
    path = Path(asked)
    if trains:
        return Subjects(kind=kind, name=asked, artifacts=artifacts, changes=changes)
    if kind == "dataset":
        return _of_dataset(path, artifacts, changes)
    if kind == "run":
        return Subjects(kind=kind, name=asked, trained=[_of_run(path)], artifacts=artifacts)
    trained, files = _of_experiment(path, artifacts, changes), _files(path, artifacts, changes)
    return Subjects(kind=kind, name=asked, trained=trained, artifacts=artifacts, files=files, changes=changes)


def _kind(asked: str | None) -> Kind:
    if asked is None:
        return "nothing"
    path = Path(asked)
    if path.is_dir():
        return "run"
    if path.suffix == ".toml":
        return "config"
    if ":" in asked:
        return "model"
    raise UserError(f"SUBJECT must be one of {'; '.join(list(IN_WORDS.values())[1:])}; there is no {asked}.")


def _of_run(path: Path) -> TrainedModel:
    manifest = read_manifest(path) if (path / MANIFEST).is_file() else {}
    if manifest.get("kind") != "restart":
        raise UserError(f"SUBJECT must be {IN_WORDS['run']}; {path} is not one.")
    return TrainedModel(manifest["label"], path.resolve())


def _of_experiment(path: Path, artifacts: Path, changes: Sequence[str]) -> list[TrainedModel]:
    plan, store = plan_experiment(load_experiment(path, changes)), Store(artifacts, STAGES)
    wanted = [("restart", BASELINE, scores) for scores in plan.networks.restarts]
    wanted += [(method, column.variant, scores) for (method, column, _), scores in plan.evaluations.items()]
    done = [(method, variant, scores) for method, variant, scores in wanted if store.is_complete(scores)]
    finished = [model for one in done if (model := _of_scores(*one, store))]
    if not finished:
        raise UserError(f"{path}: none of its trainings is finished below {artifacts}; run `perturb run {path}` first.")
    return finished


def _of_dataset(path: Path, artifacts: Path, changes: Sequence[str]) -> Subjects:
    truth, files = open_ground_truth(load_experiment(path, changes).dataset), _files(path, artifacts, changes)
    return Subjects(kind="dataset", name=str(path), truth=truth, files=files, changes=changes)


def _files(path: Path, artifacts: Path, changes: Sequence[str]) -> dict[str, list[Path]]:
    """Return the runs of an experiment's finished files by variant, without the original's."""
    plan, store = plan_experiment(load_experiment(path, changes)), Store(artifacts, STAGES)
    found: dict[str, list[Path]] = {}
    for column, spec in plan.files.items():
        if column.variant != BASELINE and store.is_complete(spec):
            found.setdefault(column.variant, []).append(store.path(spec))
    return found


def _of_scores(method: str, variant: str, scores: RunSpec, store: Store) -> TrainedModel | None:
    """Return the training that finished scores belong to; None if it was given up."""
    result, run = store.result(scores, ScoresResult), store.path(scores.inputs["restart"])
    if result.scores is None:
        return None
    assert isinstance(scores.config, ScoresRun)
    return TrainedModel(scores.label, run, method, variant, result.scores, scores.config)
