"""The training of m_ψ: three batches for the decoders, then one for ψ (thesis 4.3.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from perturb.config import PerturbationConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.perturbation.frozen import FrozenEncoder
from perturb.perturbation.game import player_loss, target, target_gradient
from perturb.perturbation.network import PerturbationNetwork
from perturb.progress import Progress
from perturb.training.checkpoint import Tensors, below, put_back, read_checkpoint, taken, write_checkpoint
from perturb.training.curve import is_noted

CHECKPOINT_FORM = 2
"""Raised by hand when checkpoints of before can no longer be gone on from; such a training starts over."""


@dataclass(frozen=True)
class Player:
    """A selected model: its frozen encoder, and the network that plays for it."""

    encoder: FrozenEncoder
    network: nn.Module


class PerturbationTraining:
    """m_ψ against two ensembles.

    Args:
        config: schedule, form, bound.
        network: m_ψ, changed in place.
        entangled: models whose loss ψ lowers.
        disentangled: models whose loss ψ raises.
        pixels: original images.
        grid: their factors.
        generator: draws batches and codes, on the CPU.
        device: where the networks live.

    """

    def __init__(
        self,
        config: PerturbationConfig,
        network: PerturbationNetwork,
        entangled: Sequence[Player],
        disentangled: Sequence[Player],
        *,
        pixels: Pixels,
        grid: FactorGrid,
        generator: torch.Generator,
        device: str,
    ) -> None:
        self.config, self.network = config, network
        self.entangled, self.disentangled = entangled, disentangled
        self.pixels, self.grid, self.generator, self.device = pixels, grid, generator, device
        players = [player.network for player in (*entangled, *disentangled)]
        self.networks = nn.ModuleDict({"psi": network, "players": nn.ModuleList(players)}).to(device)
        decoders = self.networks["players"].parameters()
        self.optimisers = {
            "psi": _adam(network.parameters(), config.learning_rate),
            "decoders": _adam(decoders, config.decoder_learning_rate),
        }

    def run(self, *, checkpoint: Path, checkpoint_every: int, progress: Progress) -> list[dict[str, float]]:
        """Train to the end, going on from `checkpoint` when it is there; the curve, at up to 100 points.

        Its columns: step, loss_entangled and loss_disentangled (squared error per image before the ψ update), gap
        (disentangled − entangled), variation (share of the pattern's mean square that varies over the batch).
        """
        state = self._resumed(checkpoint) or {"form": CHECKPOINT_FORM, "step": 0, "curve": []}
        self.networks.train()
        for step in range(state["step"] + 1, self.config.steps + 1):
            for _ in range(self.config.decoder_steps):
                losses = self._update_players()
            pattern = self._update_network()
            if is_noted(step, self.config.steps):
                state["curve"].append({"step": step, **losses, "variation": variation(pattern)})
            if step % checkpoint_every == 0 and step < self.config.steps:
                write_checkpoint(checkpoint, self._taken(), state | {"step": step})
            progress.report(step, self.config.steps)
        return state["curve"]

    def _players(self) -> Iterator[tuple[int, Player]]:
        """By the numbers that a checkpoint knows them by."""
        return enumerate((*self.entangled, *self.disentangled))

    def _taken(self) -> Tensors:
        """Weights, moments, the generator, and the codes that are known."""
        codes = {
            f"codes/{index}/{name}": value
            for index, player in self._players()
            for name, value in player.encoder.known().items()
        }
        return taken(self.networks, self.optimisers) | codes | {"generator": self.generator.get_state()}

    def _resumed(self, checkpoint: Path) -> dict[str, Any] | None:
        """Put a checkpoint back and answer its step and curve; None when there is none of this form."""
        if (found := read_checkpoint(checkpoint)) is None or found[1].get("form") != CHECKPOINT_FORM:
            return None
        tensors, state = found
        self.generator.set_state(tensors.pop("generator"))
        put_back(self.networks, self.optimisers, tensors)
        for index, player in self._players():
            player.encoder.remember(below(f"codes/{index}/", tensors))
        return state

    def _batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Image numbers, images and factors of a fresh batch."""
        indices = torch.randint(len(self.pixels), (self.config.batch_size,), generator=self.generator)
        factors = torch.from_numpy(self.grid.scaled(indices.numpy())).to(self.device)
        return indices, self.pixels.batch(indices, device=self.device), factors

    def _codes(self, player: Player, indices: Tensor) -> Tensor:
        codes = player.encoder.sample(indices, self.config.latent_samples, generator=self.generator)
        return codes.to(self.device)

    def _update_players(self) -> dict[str, float]:
        """One step of every decoder on its own loss; ψ stands still."""
        indices, images, factors = self._batch()
        with torch.no_grad():
            goal = target(self.network, images, factors, self.config)
        losses = [
            torch.stack([player_loss(player.network, self._codes(player, indices), goal) for player in side])
            for side in (self.entangled, self.disentangled)
        ]
        self.optimisers["decoders"].zero_grad()
        torch.cat(losses).sum().backward()
        self.optimisers["decoders"].step()
        entangled, disentangled = (side.mean().item() for side in losses)
        return {
            "loss_entangled": entangled, "loss_disentangled": disentangled, "gap": disentangled - entangled
        }  # fmt: skip

    def _update_network(self) -> Tensor:
        """One step of ψ; the decoders stand still. The target it was made for, detached."""
        indices, images, factors = self._batch()
        goal = target(self.network, images, factors, self.config)
        entangled, disentangled = (
            [(player.network, self._codes(player, indices)) for player in side]
            for side in (self.entangled, self.disentangled)
        )
        gradient = target_gradient(entangled, disentangled)
        self.optimisers["psi"].zero_grad()
        goal.backward(gradient)
        self.optimisers["psi"].step()
        with torch.no_grad():
            return self.network.coarse_pattern(factors)


def variation(pattern: Tensor) -> float:
    """Share of a pattern's mean square that varies over images (n, ...), in [0, 1]; 0 is a constant pattern."""
    total = pattern.square().mean().item()
    return pattern.var(dim=0, unbiased=False).mean().item() / total if total > 0 else 0.0


def _adam(parameters: "torch.nn.ParameterList", learning_rate: float) -> torch.optim.Adam:
    """Adam as thesis 4.3.1 sets it."""
    return torch.optim.Adam(parameters, lr=learning_rate, betas=(0.9, 0.999), eps=1e-7, fused=True)
