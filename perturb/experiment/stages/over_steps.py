"""A model that is scored repeatedly during its training."""

from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from perturb.config import Section
from perturb.datasets import grid_of
from perturb.datasets.pixels import Pixels
from perturb.datasets.saved_images import open_images
from perturb.experiment.stages.training import CHECKPOINT, scores_of
from perturb.files import read_json, write_json
from perturb.progress import Part, Progress
from perturb.random.philox import CounterRNG
from perturb.runs import StageContext
from perturb.statistics.saved_scores import ScoresResult, ScoresRun
from perturb.training import train
from perturb.training.saved_models import TrainingRun, new_model, trained_model

POINTS = "points.json"


class OverStepsRun(Section):
    """The scores of one model in the course of its training."""

    training: TrainingRun
    scoring: ScoresRun
    steps: tuple[int, ...]
    """The numbers of updates after which it is scored, ascending."""


@dataclass(frozen=True, kw_only=True)
class OverStepsResult:
    """Scores in the course of a training, up to its end or to the update at which it failed."""

    failure: str | None
    """The reason why the training was given up, or None."""
    points: tuple[ScoresResult, ...]
    """Scores after each of the asked-for updates that were made."""


def build_over_steps(context: StageContext[OverStepsRun]) -> OverStepsResult:
    """Train one model and score it on the way."""
    pixels = open_images(context.inputs["images"])
    return train_and_score(
        context.spec.config, pixels, scratch=context.scratch, device=context.device, progress=context.progress
    )


def train_and_score(
    config: OverStepsRun, pixels: Pixels, *, scratch: Path, device: str, progress: Progress | Part
) -> OverStepsResult:
    """Train one model and score it after each of the requested updates; a killed training resumes from its checkpoint.

    Args:
        config: of the model, and of how and when it is scored.
        pixels: all images of the grid.
        scratch: folder for the checkpoint and for the scores so far; it exists.
        device: torch device.
        progress: told of every update.

    """
    training = config.training
    objective = new_model(training, channels=pixels.channels, seeds=[training.seed], device=device)
    saved = scratch / POINTS
    points = [ScoresResult(**scores) for scores in read_json(saved)] if saved.is_file() else []

    def watch(step: int) -> None:
        if step not in config.steps[len(points) :]:
            return
        weights: dict[str, Tensor] = objective.networks.state_dict()
        model = trained_model(training, weights, channels=pixels.channels, device=device)
        points.append(scores_of(model, pixels, config.scoring))
        write_json(saved, [asdict(scores) for scores in points])

    (outcome,) = train(
        objective,
        [pixels],
        grid_of(training.dataset),
        training.training,
        draws=CounterRNG([training.seed], device),
        checkpoints=[scratch / CHECKPOINT],
        progress=progress,
        watch=watch,
    )
    return OverStepsResult(failure=outcome.failure, points=tuple(points))
