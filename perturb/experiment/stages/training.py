"""Restarts: trained, scored, selected from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from perturb.datasets import grid_of
from perturb.datasets.pixels import Pixels
from perturb.errors import UserError
from perturb.files import write_json
from perturb.metrics import METRICS, CodedPart, rows_to_encode, score
from perturb.objectives.encode import encode, unit_variances
from perturb.perturbation.selection import ScoredRestart, select
from perturb.progress import Together
from perturb.random.philox import Draws
from perturb.random.seeds import child_seed
from perturb.runs import Workplace, read_result
from perturb.training import Outcome, train
from perturb.training.curve import write_curve
from perturb.training.saved_models import FILE_NAME, TrainingRun, load_model, new_model, save_weights

CHECKPOINT = "checkpoint.safetensors"


def build_restart(place: Workplace) -> dict[str, Any]:
    """Train one model; a diverged one is a result like any other."""
    return build_restarts([place])[0]


def build_restarts(places: Sequence[Workplace]) -> list[dict[str, Any]]:
    """Train models that differ in their seeds alone, or in those of their images, stacked."""
    first, seeds = places[0], [place.spec.config.seed for place in places]
    config = first.spec.config
    try:
        pixels = _images_of_each(places)
        channels = pixels[0].channels
        objective = new_model(config, channels=channels, seeds=seeds, device=first.device)
        if first.compile:
            objective.compile()
        outcomes = train(
            objective,
            pixels,
            grid_of(config.dataset),
            config.training,
            draws=Draws(seeds, first.device),
            checkpoints=[place.scratch / CHECKPOINT for place in places],
            progress=Together([place.progress for place in places]),
        )
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise UserError(_too_large(config, len(places), first.device)) from error
    for index, (place, outcome) in enumerate(zip(places, outcomes, strict=True)):
        write_curve(place.out / "curve.csv", outcome.curve)
        save_weights(objective.networks, place.out / FILE_NAME, restart=index)
    return [_summary(outcome, channels) for outcome in outcomes]


def _images_of_each(places: Sequence[Workplace]) -> list[Pixels]:
    """The images that each restart learns from, those of a dataset once, and on the device where that has its own memory."""
    opened = {place.inputs["images"]: Pixels.open(place.inputs["images"]) for place in places}
    if torch.device(places[0].device).type != "cpu":
        opened = {folder: pixels.resident(places[0].device) for folder, pixels in opened.items()}
    return [opened[place.inputs["images"]] for place in places]


def _too_large(config: TrainingRun, restarts: int, device: str) -> str:
    batch = config.training.batch_size
    together = f"{restarts} restarts at once, " if restarts > 1 else ""
    advice = "lower --stack" if restarts > 1 else "lower training.batch_size"
    return f"{device} ran out of memory ({together}batches of {batch} images); {advice}, or use --device cpu."


def _summary(outcome: Outcome, channels: int) -> dict[str, Any]:
    last = outcome.curve[-1] if outcome.curve else {}
    return {"steps": outcome.step, "failure": outcome.failure, "last": last, "channels": channels}


def build_scores(place: Workplace) -> dict[str, Any]:
    """Encode what the metrics read once and score it; a failed restart has no scores."""
    config = place.spec.config
    failure = read_result(place.inputs["restart"])["failure"]
    if failure is not None:
        return _no_scores(failure)
    grid = grid_of(config.dataset)
    model = load_model(place.inputs["restart"], place.device)
    pixels = Pixels.open(place.inputs["images"])
    seed = child_seed(config.seed, "scores")
    encoded = rows_to_encode(config.metrics, config.settings, grid, seed=seed)
    means, logvars = encode(model, pixels, encoded, progress=place.progress)
    if not np.isfinite(means).all():
        return _no_scores("its codes are not finite")
    coded = CodedPart(means, grid, encoded)
    details = score(coded, config.metrics, settings=config.settings, seed=seed, threads=torch.get_num_threads())
    scores = {name: found[METRICS[name].score] for name, found in details.items()}
    return {"failure": None, "scores": scores, "details": details, "unit_variances": unit_variances(logvars).tolist()}


def _no_scores(failure: str) -> dict[str, Any]:
    return {"failure": failure, "scores": None, "details": None, "unit_variances": []}


def build_selection(place: Workplace) -> dict[str, Any]:
    """Rank the restarts; inputs are named scores-0, scores-1, …"""
    config = place.spec.config.selection
    results = {int(name.split("-")[1]): read_result(run) for name, run in place.inputs.items()}
    restarts = [
        ScoredRestart(
            index=index,
            score=result["scores"][config.metric] if result["scores"] else None,
            unit_variances=tuple(result["unit_variances"]),
            failure=result["failure"],
        )
        for index, result in sorted(results.items())
    ]
    (dataset,) = {spec.config.dataset for spec in place.spec.inputs.values()}
    answer = select(restarts, config, factors=grid_of(dataset).num_factors).as_json() | {
        "scores": {str(r.index): r.score for r in restarts}
    }
    write_json(place.out / "selection.json", answer)
    return answer
