"""One training loop for every objective and for any number of restarts at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from perturb.config import TrainingConfig
from perturb.datasets import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.draws import Draws
from perturb.objectives import Objective
from perturb.progress import Progress, Together
from perturb.training.checkpoint import apart, put_back, read_checkpoint, taken, together, write_checkpoint
from perturb.training.curve import is_noted
from perturb.training.replay import Updates


@dataclass
class Outcome:
    """How the training of a restart ended."""

    step: int
    """Updates made, or the one at which it failed."""
    failure: str | None
    """Why it was given up, or None."""
    curve: list[dict[str, float]]
    """Loss terms in nats per image at up to 100 steps."""


def train(
    objective: Objective,
    pixels: Pixels,
    grid: FactorGrid,
    config: TrainingConfig,
    *,
    draws: Draws,
    checkpoints: Sequence[Path],
    progress: Progress | Together,
) -> list[Outcome]:
    """Update restarts, each on batches of its own, going on from their checkpoints.

    A restart draws the same batches and noise alone or among others. One whose loss is not finite has failed: it stays as it
    is, and the others go on.

    Args:
        objective: changed in place.
        pixels: the images.
        grid: their factors, by which some methods draw their batches.
        config: steps, batch size, how often to write checkpoints.
        draws: batches and noise, of the same restarts.
        checkpoints: a file for each restart, to resume from and to write to. They are used when all are there and of one
            step.
        progress: told of every step.

    Returns:
        An outcome for each restart.

    """
    start, outcomes = _resumed(objective, checkpoints)
    total = -(-config.steps // objective.steps_per_update)
    updates = Updates(objective, draws)
    for step in range(start + 1, total + 1):
        if all(outcome.failure for outcome in outcomes):
            break
        draws.seek(step)
        indices = objective.batch(draws, grid, config.batch_size)
        terms = updates.make(pixels.batch(indices, device=objective.device))
        if is_noted(step, total):
            _note(step, terms, outcomes)
        if step % config.checkpoint_every == 0 and step < total:
            _save(objective, checkpoints, step, outcomes)
        progress.report(step, total)
    return outcomes


def _note(step: int, terms: dict[str, Tensor], outcomes: list[Outcome]) -> None:
    """Add a point to the curve of every restart, or the reason why it failed."""
    columns = {name: values.tolist() for name, values in terms.items()}
    for restart, outcome in enumerate(outcomes):
        if outcome.failure:
            continue
        outcome.step = step
        point = {name: values[restart] for name, values in columns.items()}
        broken = [name for name, value in point.items() if not math.isfinite(value)]
        if broken:
            # The sum of the terms is the last to be suspected.
            suspect = next((name for name in broken if name != "loss"), "loss")
            outcome.failure = f"the {suspect} was {point[suspect]} at step {step}"
        else:
            outcome.curve.append({"step": step, **point})


def _save(objective: Objective, checkpoints: Sequence[Path], step: int, outcomes: list[Outcome]) -> None:
    """Write the checkpoint of every restart."""
    tensors = taken(objective.networks, objective.optimisers)
    for restart, (path, outcome) in enumerate(zip(checkpoints, outcomes, strict=True)):
        state = {"step": step, "outcome": vars(outcome)}
        write_checkpoint(path, apart(tensors, restart), state)


def _resumed(objective: Objective, checkpoints: Sequence[Path]) -> tuple[int, list[Outcome]]:
    """The step to go on from and the outcomes so far; weights and moments are put back."""
    found: list[tuple[dict[str, Tensor], dict[str, Any]]] = [c for path in checkpoints if (c := read_checkpoint(path))]
    if len(found) < len(checkpoints) or len({state["step"] for _, state in found}) > 1:
        return 0, [Outcome(0, None, []) for _ in checkpoints]
    put_back(objective.networks, objective.optimisers, together([tensors for tensors, _ in found]))
    return found[0][1]["step"], [Outcome(**state["outcome"]) for _, state in found]
