"""One training loop for every objective."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from perturb.config import TrainingConfig
from perturb.objectives import Objective
from perturb.progress import Progress
from perturb.training.batches import Pixels
from perturb.training.checkpoint import load_checkpoint, save_checkpoint
from perturb.training.curve import is_noted


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    step: int
    """Updates made."""
    failure: str | None
    """Why it was given up, or None."""
    curve: list[dict[str, float]]
    """Loss terms in nats per image at up to 100 steps."""


def train(
    objective: Objective,
    pixels: Pixels,
    config: TrainingConfig,
    *,
    generator: torch.Generator,
    checkpoint: Path,
    progress: Progress,
) -> Outcome:
    """Update `objective` on batches drawn uniformly with replacement, going on from `checkpoint` when it is there.

    Args:
        objective: changed in place.
        pixels: the images.
        config: steps, batch size, how often to write the checkpoint.
        generator: draws batches and noise; the CPU's, so that every device sees the same.
        checkpoint: file to resume from and to write to.
        progress: told of every step.

    Returns:
        The outcome. A loss that is not finite ends the training as failed instead of raising.

    """
    parts: dict[str, Any] = {
        "networks": objective.networks, "optimisers": objective.optimisers, "generator": generator
    }  # fmt: skip
    state = load_checkpoint(checkpoint, **parts) or {"step": 0, "curve": []}
    curve = state["curve"]
    for step in range(state["step"] + 1, config.steps + 1):
        indices = torch.randint(len(pixels), (config.batch_size,), generator=generator)
        terms = objective.update(pixels.batch(indices, device=objective.device), generator=generator)
        if is_noted(step, config.steps):
            curve.append({"step": step, **{name: value.item() for name, value in terms.items()}})
            if not math.isfinite(curve[-1]["loss"]):
                return Outcome(step, f"the loss was {curve[-1]['loss']} at step {step}", curve[:-1])
        if step % config.checkpoint_every == 0 and step < config.steps:
            save_checkpoint(checkpoint, **parts, state={"step": step, "curve": curve})
        progress.report(step, config.steps)
    return Outcome(config.steps, None, curve)
