"""The training of m_ψ: one loop for every form of its objective, with a training curve and checkpoints."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from perturb.perturbation.network import PerturbationNetwork
from perturb.progress import Part, Progress
from perturb.training.checkpoint import (
    Optimisers,
    Tensors,
    load_state_tensors,
    read_checkpoint,
    state_tensors,
    write_checkpoint,
)
from perturb.training.curve import is_logged

CHECKPOINT_FORM = 3
"""Bump this if the format of checkpoints changes. Older checkpoints are then ignored, and the training restarts."""


class Adversary(Protocol):
    """A form of m_ψ's objective, with the steps that minimise it."""

    @property
    def network(self) -> PerturbationNetwork:
        """The network m_ψ, changed in place."""
        ...

    @property
    def networks(self) -> nn.Module:
        """The network m_ψ, and whatever is trained along with it."""
        ...

    @property
    def optimisers(self) -> Optimisers:
        """Optimisers of everything that is trained, by name."""
        ...

    def update(self, step: int) -> tuple[dict[str, float], Tensor]:
        """Make step number 1, 2, …, and return the values to log and the batch's coarse pattern (n, ...), detached."""
        ...

    def held(self) -> Tensors:
        """Return the state that a resumed training needs besides weights and optimiser moments."""
        ...

    def take_back(self, held: Tensors) -> None:
        """Restore the state that `held` returned."""
        ...


def train_network(
    adversary: Adversary, *, steps: int, checkpoint: Path, checkpoint_every: int, progress: Progress | Part
) -> list[dict[str, float]]:
    """Train m_ψ to the end, resuming from `checkpoint` if it exists, and return the curve, with up to 100 points.

    Its columns are `step`, those of the adversary, and `variation` (share of the pattern's mean square that varies over the
    batch).
    """
    state = _resumed(adversary, checkpoint) or {"form": CHECKPOINT_FORM, "step": 0, "curve": []}
    adversary.networks.train()
    for step in range(state["step"] + 1, steps + 1):
        figures, pattern = adversary.update(step)
        if is_logged(step, steps):
            state["curve"].append({"step": step, **figures, "variation": variation(pattern)})
        if step % checkpoint_every == 0 and step < steps:
            tensors = state_tensors(adversary.networks, adversary.optimisers) | {
                f"held/{name}": value for name, value in adversary.held().items()
            }
            write_checkpoint(checkpoint, tensors, state | {"step": step})
        progress.report(step, steps)
    return state["curve"]


def _resumed(adversary: Adversary, checkpoint: Path) -> dict[str, Any] | None:
    """Restore a checkpoint and return its state, with step and curve; None if there is none of this format."""
    if (saved := read_checkpoint(checkpoint)) is None or saved[1].get("form") != CHECKPOINT_FORM:
        return None
    tensors, state = saved
    load_state_tensors(adversary.networks, adversary.optimisers, tensors)
    adversary.take_back({n.removeprefix("held/"): value for n, value in tensors.items() if n.startswith("held/")})
    return state


def variation(pattern: Tensor) -> float:
    """Return the share of a pattern's mean square that varies over images (n, ...), in [0, 1]; 0 if it is constant."""
    total = pattern.square().mean().item()
    return pattern.var(dim=0, unbiased=False).mean().item() / total if total > 0 else 0.0


def adam(parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Adam:
    """Return Adam with the settings of thesis 4.3.1."""
    return torch.optim.Adam(parameters, lr=learning_rate, betas=(0.9, 0.999), eps=1e-7, fused=True)
