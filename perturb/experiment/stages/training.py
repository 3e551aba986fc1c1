"""Training, scoring and selection of restarts."""

from collections.abc import Sequence

import numpy as np
import torch

from perturb.datasets import grid_of
from perturb.datasets.pixels import Pixels
from perturb.datasets.saved_images import open_images
from perturb.errors import UserError
from perturb.metrics import METRICS, PartlyCoded, rows_to_encode, score_defined
from perturb.objectives import Objective
from perturb.objectives.encode import encode, unit_variances
from perturb.perturbation.selection import ScoredRestart, Selection, SelectionRun, select
from perturb.progress import Progress, ProgressGroup
from perturb.random.philox import CounterRNG
from perturb.random.seeds import child_seed
from perturb.runs import StageContext, read_result
from perturb.statistics.saved_scores import ScoresResult, ScoresRun
from perturb.training import TrainingOutcome, train
from perturb.training.curve import CURVE, write_curve
from perturb.training.saved_models import FILE_NAME, TrainingResult, TrainingRun, load_model, new_model, save_weights

CHECKPOINT = "checkpoint.safetensors"


def build_training(context: StageContext[TrainingRun]) -> TrainingResult:
    """Train one model. Divergence is a regular result, not an error."""
    return build_trainings([context])[0]


def build_trainings(contexts: Sequence[StageContext[TrainingRun]]) -> list[TrainingResult]:
    """Train models as one stack. They differ only in their seeds, or in the seeds of their images."""
    first, seeds = contexts[0], [context.spec.config.seed for context in contexts]
    config = first.spec.config
    try:
        pixels = _images_of_each(contexts)
        channels = pixels[0].channels
        objective = new_model(config, channels=channels, seeds=seeds, device=first.device)
        if first.compile:
            objective.compile()
        outcomes = train(
            objective,
            pixels,
            grid_of(config.dataset),
            config.training,
            draws=CounterRNG(seeds, first.device),
            checkpoints=[context.scratch / CHECKPOINT for context in contexts],
            progress=ProgressGroup([context.progress for context in contexts]),
        )
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise UserError(_too_large(config, len(contexts), first.device)) from error
    for index, (context, outcome) in enumerate(zip(contexts, outcomes, strict=True)):
        write_curve(context.out / CURVE, outcome.curve)
        save_weights(objective.networks, context.out / FILE_NAME, restart=index)
    return [_result(outcome, channels) for outcome in outcomes]


def _images_of_each(contexts: Sequence[StageContext[TrainingRun]]) -> list[Pixels]:
    """Open the training images of each restart, shared ones once, and copy them to a device that has its own memory."""
    opened = {context.inputs["images"]: open_images(context.inputs["images"]) for context in contexts}
    if torch.device(contexts[0].device).type != "cpu":
        opened = {folder: pixels.resident(contexts[0].device) for folder, pixels in opened.items()}
    return [opened[context.inputs["images"]] for context in contexts]


def _too_large(config: TrainingRun, restarts: int, device: str) -> str:
    batch = config.training.batch_size
    together = f"{restarts} restarts at once, " if restarts > 1 else ""
    advice = "lower --stack" if restarts > 1 else "lower training.batch_size"
    return f"{device} ran out of memory ({together}batches of {batch} images); {advice}, or use --device cpu."


def _result(outcome: TrainingOutcome, channels: int) -> TrainingResult:
    last = outcome.curve[-1] if outcome.curve else {}
    return TrainingResult(steps=outcome.step, failure=outcome.failure, last=last, channels=channels)


def build_scores(context: StageContext[ScoresRun]) -> ScoresResult:
    """Encode the images that the metrics read, once, and score their codes. A failed restart has no scores."""
    failure = read_result(context.inputs["restart"], TrainingResult).failure
    if failure is not None:
        return _no_scores(failure)
    model = load_model(context.inputs["restart"], context.device)
    return scores_of(model, open_images(context.inputs["images"]), context.spec.config, progress=context.progress)


def scores_of(model: Objective, pixels: Pixels, config: ScoresRun, *, progress: Progress | None = None) -> ScoresResult:
    """Encode the images that the metrics read, once, and score their codes. Codes that are not finite have no scores."""
    grid, seed = grid_of(config.dataset), child_seed(config.seed, "scores")
    encoded = rows_to_encode(config.metrics, config.settings, grid, seed=seed)
    means, logvars = encode(model, pixels, encoded, progress=progress)
    if not np.isfinite(means).all():
        return _no_scores("its codes are not finite")
    coded = PartlyCoded(means, grid, encoded)
    details, refused = score_defined(coded, config.metrics, config.settings, seed=seed, threads=torch.get_num_threads())
    scores = {name: values[METRICS[name].score] for name, values in details.items()}
    variances = tuple(unit_variances(logvars).tolist())
    return ScoresResult(failure=None, scores=scores, details=details, unit_variances=variances, refused=refused)


def _no_scores(failure: str) -> ScoresResult:
    return ScoresResult(failure=failure, scores=None, details=None, unit_variances=())


def build_selection(context: StageContext[SelectionRun]) -> Selection:
    """Rank the restarts; inputs are named scores-0, scores-1, …"""
    config = context.spec.config.selection
    results = {int(name.split("-")[1]): read_result(run, ScoresResult) for name, run in context.inputs.items()}
    restarts = [
        ScoredRestart(
            index=index,
            score=result.scores.get(config.metric) if result.scores else None,
            unit_variances=result.unit_variances,
            failure=result.failure or result.refused.get(config.metric),
        )
        for index, result in sorted(results.items())
    ]
    (dataset,) = {spec.config.dataset for spec in context.spec.inputs.values()}
    return select(restarts, config, factors=grid_of(dataset).num_factors)
