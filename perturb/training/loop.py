"""One training loop for every objective and for any number of restarts at once."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from perturb.config import TrainingConfig
from perturb.config.loading import canonical_json
from perturb.datasets import FactorGrid
from perturb.datasets.pixels import Pixels, batch_of_each
from perturb.errors import UserError
from perturb.objectives import Objective
from perturb.objectives.polarized import delta_kl
from perturb.objectives.posterior import DiagonalGaussian
from perturb.progress import Part, Progress, ProgressGroup
from perturb.random.philox import CounterRNG
from perturb.training.checkpoint import load_state_tensors, read_checkpoint, stack, state_tensors, unstack, write_checkpoint
from perturb.training.curve import is_logged
from perturb.training.replay import Updates

ACTIVE = 0.8
CHECKPOINT_FORM = 1
"""Bump when the format of a checkpoint changes. Older checkpoints are then refused and must be removed to start over."""


@dataclass
class TrainingOutcome:
    """The outcome of a restart's training."""

    step: int
    """Number of updates made, or the update at which it failed."""
    failure: str | None
    """Reason why the training was given up, or None."""
    curve: list[dict[str, float]]
    """Loss terms in nats per image, active units and, for VAEs, ΔKL, at up to 100 steps."""


def train(
    objective: Objective,
    pixels: Sequence[Pixels],
    grid: FactorGrid,
    config: TrainingConfig,
    *,
    draws: CounterRNG,
    checkpoints: Sequence[Path],
    progress: Progress | ProgressGroup | Part,
    watch: Callable[[int], None] | None = None,
) -> list[TrainingOutcome]:
    """Train restarts, each on its own batches, resuming from their checkpoints.

    A restart draws the same batches and noise alone or in a stack. A restart fails if its loss is not finite: its outcome is
    then final, and the others continue.

    Args:
        objective: changed in place.
        pixels: the training images of each restart.
        grid: their factors, which some methods use to draw batches.
        config: steps, batch size, and how often to write checkpoints.
        draws: random numbers of the same restarts, for batches and noise.
        checkpoints: one file per restart, to resume from and to write to. We resume only if all of them exist and are from
            the same step.
        progress: updated with every step.
        watch: called after every update with its number. It must not change anything. After a resume, it sees the updates
            since the checkpoint again.

    Returns:
        One outcome per restart.

    Raises:
        UserError: a checkpoint belongs to another config or version.

    """
    identities = [identity_of(objective, seed) for seed in draws.seeds]
    start, outcomes = _resumed(objective, checkpoints, identities)
    started = time.monotonic()
    total = -(-config.steps // objective.steps_per_update)
    updates = Updates(objective, draws)
    for step in range(start + 1, total + 1):
        if all(outcome.failure for outcome in outcomes):
            break
        draws.set_step(step)
        indices = objective.batch(draws, grid, config.batch_size)
        images = batch_of_each(pixels, indices, device=objective.device)
        terms = updates.make(images)
        if is_logged(step, total):
            terms = terms | readings(objective, images, has_kl="kl" in terms)
            _note(step, terms, outcomes, safe=(step - 1) // config.checkpoint_every * config.checkpoint_every)
        if watch is not None:
            watch(step)
        if step % config.checkpoint_every == 0 and step < total:
            _save(objective, checkpoints, identities, step, outcomes)
        pace = objective.restarts * (step - start) / max(time.monotonic() - started, 1e-9)
        progress.report(step, total, f"{pace:.0f} steps/s")
    return outcomes


def identity_of(objective: Objective, seed: int) -> str:
    """Return the fingerprint that a checkpoint must match before we resume: method, training, sizes, seed and format."""
    parts = [canonical_json(objective.config), canonical_json(objective.training), objective.latents, seed, CHECKPOINT_FORM]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@torch.no_grad()
def readings(objective: Objective, images: Tensor, *, has_kl: bool) -> dict[str, Tensor]:
    """Return the readings of a batch's posteriors that a training curve records, each (restarts,) and finite.

    Returns:
        `active_units`: units whose variance, averaged over the batch, is below 0.8 (thesis 4.3.4). For diagonal posteriors
        under a KL divergence also `delta_kl`, how far the model is from the polarized regime (thesis 3.38).

    """
    objective.networks.eval()
    posterior = objective.posterior(images)
    objective.networks.train()
    values = {"active_units": (posterior.logvar.exp().mean(dim=1) < ACTIVE).sum(dim=1)}
    if has_kl and isinstance(posterior, DiagonalGaussian):
        values["delta_kl"] = delta_kl(posterior)
    return values


def _note(step: int, terms: dict[str, Tensor], outcomes: list[TrainingOutcome], *, safe: int) -> None:
    """Add a point to the curve of every restart, or record why it failed; `safe` is the step of the last checkpoint."""
    columns = {name: values.tolist() for name, values in terms.items()}
    for restart, outcome in enumerate(outcomes):
        if outcome.failure:
            continue
        outcome.step = step
        point = {name: values[restart] for name, values in columns.items()}
        broken = [name for name, value in point.items() if not math.isfinite(value)]
        if broken:
            # "loss" is the sum of the terms, so another term is the more likely cause.
            suspect = next((name for name in broken if name != "loss"), "loss")
            outcome.failure = f"the {suspect} was {point[suspect]} at step {step} (last checkpoint before: step {safe})"
        else:
            outcome.curve.append({"step": step, **point})


def _save(
    objective: Objective, checkpoints: Sequence[Path], identities: Sequence[str], step: int, outcomes: list[TrainingOutcome]
) -> None:
    """Write the checkpoint of every restart."""
    tensors = state_tensors(objective.networks, objective.optimisers)
    for restart, (path, identity, outcome) in enumerate(zip(checkpoints, identities, outcomes, strict=True)):
        write_checkpoint(path, unstack(tensors, restart), {"identity": identity, "step": step, "outcome": vars(outcome)})


def _resumed(
    objective: Objective, checkpoints: Sequence[Path], identities: Sequence[str]
) -> tuple[int, list[TrainingOutcome]]:
    """Restore weights and moments, and return the step to resume from and the outcomes so far."""
    loaded: list[tuple[dict[str, Tensor], dict[str, Any]]] = []
    for path, identity in zip(checkpoints, identities, strict=True):
        if checkpoint := read_checkpoint(path):
            if checkpoint[1].get("identity") != identity:
                raise UserError(
                    f"{path} is a checkpoint of another config or version ({checkpoint[1].get('identity')}, and this "
                    f"training is {identity}); remove it to start over."
                )
            loaded.append(checkpoint)
    if len(loaded) < len(checkpoints) or len({state["step"] for _, state in loaded}) > 1:
        return 0, [TrainingOutcome(0, None, []) for _ in checkpoints]
    load_state_tensors(objective.networks, objective.optimisers, stack([tensors for tensors, _ in loaded]))
    return loaded[0][1]["step"], [TrainingOutcome(**state["outcome"]) for _, state in loaded]
