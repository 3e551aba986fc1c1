"""The subject of an analysis: nothing, trained models of ours, or a model from outside."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from perturb.config import ExperimentConfig, load_experiment
from perturb.config.experiment import DatasetConfig
from perturb.config.metrics import MetricsConfig
from perturb.datasets import GroundTruth, open_ground_truth
from perturb.datasets.pixels import Pixels
from perturb.datasets.saved_images import open_images
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
"""Each kind of subject as people read it."""


@dataclass(frozen=True)
class TrainedModel:
    """A finished training of ours."""

    label: str
    """Method, variant and seed."""
    run: Path
    """Directory of the run."""
    method: str = ""
    """Name of the method in its experiment, "restart" for the restarts; empty for a run outside an experiment."""
    variant: str = BASELINE
    """The variant that it was trained on; unknown for a run outside an experiment, and then the original."""
    scores: dict[str, float] = field(default_factory=dict[str, float])
    """Scores of the metrics that the experiment has asked for, by key; empty for a run outside an experiment."""
    scoring: ScoresRun | None = None
    """The run that scored it within its experiment; None for a run outside an experiment."""

    @property
    def config(self) -> TrainingRun:
        """The settings that it was trained with."""
        return read_config(self.run, TrainingRun)

    @property
    def truth(self) -> GroundTruth:
        """The dataset whose factors its images have."""
        return open_ground_truth(self.config.dataset)

    @property
    def pixels(self) -> Pixels:
        """The images that it was trained on, mapped into memory."""
        return open_images(self.run.parent / read_manifest(self.run)["inputs"]["images"])

    @property
    def has_kl(self) -> bool:
        """True if it was trained under a KL divergence, so that its posteriors have a width."""
        return "kl" in read_result(self.run, TrainingResult).last

    def score(self, metrics: Sequence[str], device: str = "cpu") -> dict[str, float]:
        """Score the model's codes of the images that it was trained on, by metric.

        Images are drawn as for the experiment's own scores, so that a metric which that has asked for has the same score.

        Raises:
            UserError: a metric is unknown, or not defined for the codes.

        """
        settings = self.scoring.settings if self.scoring else MetricsConfig()
        seed, grid = child_seed(self.scoring.seed if self.scoring else 0, "scores"), self.truth.grid
        encoded = rows_to_encode(metrics, settings, grid, seed=seed)
        means, _ = encode(self.objective(device), self.pixels, encoded)
        found = score(PartlyCoded(means, grid, encoded), metrics, settings=settings, seed=seed, threads=1)
        return {name: scores[METRICS[name].score] for name, scores in found.items()}

    def objective(self, device: str = "cpu") -> Objective:
        """The model, in evaluation mode and in float32."""
        return load_model(self.run, device)


@dataclass(frozen=True, kw_only=True)
class Subjects:
    """The models that an instrument examines."""

    kind: Kind
    name: str = ""
    """The subject as the user typed it."""
    trained: Sequence[TrainedModel] = ()
    """The trainings to look at: the run's own, or the finished ones of an experiment, restarts first; empty where the
    instrument trains models itself."""
    artifacts: Path = Path("artifacts")
    """Folder of the run directories of an experiment."""
    truth: GroundTruth | None = None
    """The dataset of which the images are looked at: an experiment's, or the one that a model from outside is shown."""
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict[str, Sequence[Path]])
    """Runs of an experiment's finished benchmark files by variant, one a pattern; originals have none."""
    factory: Factory | None = None
    """The maker of a trained model from outside."""
    changes: Sequence[str] = ()
    """Settings that take the place of those of an experiment's file, each a line of TOML."""

    @property
    def config(self) -> ExperimentConfig:
        """The settings of an experiment."""
        return load_experiment(Path(self.name), self.changes)

    def some(self, most: int, *, variants: Sequence[str] = (BASELINE,)) -> list[TrainedModel]:
        """Return at most so many trainings of each method on each of these variants, in their order."""
        counts: Counter[tuple[str, str]] = Counter()
        found: list[TrainedModel] = []
        for model in self.trained:
            counts[model.method, model.variant] += 1
            if model.variant in variants and counts[model.method, model.variant] <= most:
                found.append(model)
        return found


def subjects_of(
    asked: str | None,
    takes: Sequence[Kind],
    *,
    artifacts: Path,
    trains: bool = False,
    benchmark: str = BENCHMARKS[0],
    changes: Sequence[str] = (),
) -> Subjects:
    """Find out what a user means.

    Args:
        asked: a run's directory, a config's path or `package.module:name`; None: nothing.
        takes: the kinds of subject that the instrument takes.
        artifacts: folder of an experiment's run directories.
        trains: True if the instrument trains by an experiment's settings, and does not look for finished trainings.
        benchmark: whose original images a model from outside is shown.
        changes: settings that take the place of those of an experiment's file, as of `load_experiment`.

    Raises:
        UserError: there is no such thing or benchmark, the instrument does not take its kind, there are changes but no
            experiment to change, or nothing of an experiment is finished.

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
    wanted = [("restart", BASELINE, scores) for scores in plan.restarts]
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
    """Return the runs of an experiment's finished files, but for the originals', by variant."""
    plan, store = plan_experiment(load_experiment(path, changes)), Store(artifacts, STAGES)
    found: dict[str, list[Path]] = {}
    for column, spec in plan.files.items():
        if column.variant != BASELINE and store.is_complete(spec):
            found.setdefault(column.variant, []).append(store.path(spec))
    return found


def _of_scores(method: str, variant: str, scores: RunSpec, store: Store) -> TrainedModel | None:
    """The training behind finished scores; None for one that was given up."""
    result, run = store.result(scores, ScoresResult), store.path(scores.inputs["restart"])
    if result.scores is None:
        return None
    assert isinstance(scores.config, ScoresRun)
    return TrainedModel(scores.label, run, method, variant, result.scores, scores.config)
