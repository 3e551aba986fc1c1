"""Restarts: trained, scored, selected from."""

from typing import Any

import numpy as np

from perturb.datasets import grid_of
from perturb.datasets.pixels import Pixels
from perturb.draws import Draws
from perturb.files import write_json
from perturb.metrics import METRICS
from perturb.metrics.codes import encode, unit_variances
from perturb.pipeline.stages import models
from perturb.runs import Workplace, read_result
from perturb.seeding import numpy_generator
from perturb.selection import ScoredRestart, select
from perturb.training import train
from perturb.training.curve import write_curve

CHECKPOINT = "checkpoint.safetensors"


def build_restart(place: Workplace) -> dict[str, Any]:
    """Train one model; a diverged one is a result like any other."""
    config = place.spec.config
    pixels = Pixels.open(place.inputs["images"])
    objective = models.new_model(config, channels=pixels.channels, device=place.device)
    (outcome,) = train(
        objective,
        pixels,
        grid_of(config.dataset),
        config.training,
        draws=Draws([config.seed], place.device),
        checkpoints=[place.scratch / CHECKPOINT],
        progress=place.progress,
    )
    write_curve(place.out / "curve.csv", outcome.curve)
    models.save_weights(objective.networks, place.out / models.FILE_NAME)
    last = outcome.curve[-1] if outcome.curve else {}
    return {"steps": outcome.step, "failure": outcome.failure, "last": last, "channels": pixels.channels}


def build_scores(place: Workplace) -> dict[str, Any]:
    """Encode a sample of the grid once and score it with every metric; a failed restart has no scores."""
    config = place.spec.config
    failure = read_result(place.inputs["restart"])["failure"]
    if failure is not None:
        return _no_scores(failure)
    grid = grid_of(config.dataset)
    model = models.load_model(place.inputs["restart"], place.device)
    pixels = Pixels.open(place.inputs["images"])
    indices = numpy_generator(config.seed, "scores").integers(grid.num_images, size=config.settings.num_samples)
    means, logvars = encode(model, pixels, indices)
    if not np.isfinite(means).all():
        return _no_scores("its codes are not finite")
    factors = grid.factors_of(indices)
    scores = {name: METRICS[name].compute(means, factors, config.settings) for name in config.metrics}
    return {"failure": None, "scores": scores, "unit_variances": unit_variances(logvars).tolist()}


def _no_scores(failure: str) -> dict[str, Any]:
    return {"failure": failure, "scores": None, "unit_variances": []}


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
    answer = select(restarts, config).as_json() | {"scores": {str(r.index): r.score for r in restarts}}
    write_json(place.out / "selection.json", answer)
    return answer
