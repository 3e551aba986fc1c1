"""m_ψ's objective as a game with decoders (thesis 4.2.4): the forms `literal` and `residual`.

Encoders are frozen and fed the original images, so codes z do not depend on ψ; each player decodes z and is trained to
come close to a target t that ψ sets. ψ minimises mean_ent E‖t − D(z)‖² − mean_dis E‖t − D(z)‖². The squares of t cancel:
the gradient with respect to t is 2 (mean_dis E D(z) − mean_ent E D(z)), which needs no gradient through any decoder.

literal    t = x′, players are the trained decoders (the means of their likelihoods), as the thesis writes it.
residual   t = δ before the mirror, players are fresh small networks. Not the thesis's objective but ours.

With players at their optimum, and K = K_ent − K_dis the difference of the operators t ↦ E[t | z], the objective is
−⟨t, K t⟩. For t = x + εδ that is −⟨x, K x⟩ − 2ε ⟨δ, K x⟩ − ε² ⟨δ, K δ⟩. The residual form keeps the last term alone. It
drops the first, which ψ cannot influence, and also the second, which is first order in ε and by which the thesis motivates
the method.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perturb.config import PerturbationConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.models import glorot_uniform_
from perturb.models.layers import Linear
from perturb.perturbation.bounds import reflect_or_clip
from perturb.perturbation.frozen import FrozenEncoder
from perturb.perturbation.network import PerturbationNetwork
from perturb.perturbation.training import adam
from perturb.training.checkpoint import Tensors, strip_prefix

HIDDEN = 128


class LiteralPlayer(nn.Module):
    """A trained decoder that reconstructs x′ from z.

    Args:
        decoder: changed in place.
        mean: makes expected images of its outputs, as the likelihood it was trained with; by default of logits.

    """

    def __init__(self, decoder: nn.Module, mean: Callable[[Tensor], Tensor] = torch.sigmoid) -> None:
        super().__init__()
        self.decoder, self._mean = decoder, mean

    def forward(self, codes: Tensor) -> Tensor:
        """Reconstructions, (n, height, width, channels), of codes (n, latents)."""
        return self._mean(self.decoder(codes[None])[0])


class ResidualPlayer(nn.Module):
    """A fresh small network that predicts only the pattern from z."""

    def __init__(self, latents: int, pattern_shape: Sequence[int], *, generator: torch.Generator) -> None:
        super().__init__()
        size = int(torch.Size(pattern_shape).numel())
        self.layers = nn.Sequential(
            Linear(1, latents, HIDDEN), nn.ReLU(),
            Linear(1, HIDDEN, HIDDEN), nn.ReLU(),
            Linear(1, HIDDEN, size),
            nn.Unflatten(2, tuple(pattern_shape)),
        )  # fmt: skip
        glorot_uniform_(self, generators=[generator])

    def forward(self, codes: Tensor) -> Tensor:
        """Predicted patterns, (n, *pattern_shape), of codes (n, latents)."""
        return self.layers(codes[None])[0]


def target(network: PerturbationNetwork, images: Tensor, factors: Tensor, config: PerturbationConfig) -> Tensor:
    """Return the players' target, with gradient to ψ: x′ (literal), or δ before enlarging and mirror (residual)."""
    pattern = network.coarse_pattern(factors)
    if config.form == "residual":
        return pattern
    return reflect_or_clip(images, network.enlarged(pattern), epsilon=config.epsilon, bound=config.bound)


def player_loss(player: nn.Module, codes: Tensor, goal: Tensor) -> Tensor:
    """Squared error summed over the target's values, mean over images and samples.

    Args:
        player: decodes a batch of codes.
        codes: (samples, n, latents).
        goal: (n, ...), detached.

    """
    predicted = player(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
    return (predicted - goal).square().flatten(2).sum(dim=2).mean()


@torch.no_grad()
def target_gradient(
    entangled: Sequence[tuple[nn.Module, Tensor]], disentangled: Sequence[tuple[nn.Module, Tensor]]
) -> Tensor:
    """d(L_ent − L_dis)/dt, (n, ...), for players each with its codes (samples, n, latents); exact, and cheap."""
    difference = _mean_prediction(disentangled) - _mean_prediction(entangled)
    return 2 * difference / len(difference)


def _mean_prediction(players: Sequence[tuple[nn.Module, Tensor]]) -> Tensor:
    """Predictions (n, ...) averaged over samples and over the ensemble."""
    means = [player(codes.flatten(0, 1)).unflatten(0, codes.shape[:2]).mean(dim=0) for player, codes in players]
    return torch.stack(means).mean(dim=0)


@dataclass(frozen=True)
class Player:
    """A selected model: its frozen encoder, and the network that plays for it."""

    encoder: FrozenEncoder
    network: nn.Module


class Game:
    """m_ψ against two ensembles: three batches for the decoders, then one for ψ (thesis 4.3.1).

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
        self.optimisers = {
            "psi": adam(network.parameters(), config.learning_rate),
            "decoders": adam(self.networks["players"].parameters(), config.decoder_learning_rate),
        }

    def update(self, step: int) -> tuple[dict[str, float], Tensor]:
        """Some steps of the decoders, then one of ψ.

        Noted are `loss_entangled` and `loss_disentangled`, squared error per image before the ψ update, and their `gap`,
        disentangled − entangled.
        """
        for _ in range(self.config.decoder_steps):
            losses = self._update_players()
        return losses, self._update_network()

    def held(self) -> Tensors:
        """The generator, and the codes that are known."""
        codes = {
            f"codes/{index}/{name}": value
            for index, player in self._players()
            for name, value in player.encoder.known().items()
        }
        return codes | {"generator": self.generator.get_state()}

    def take_back(self, held: Tensors) -> None:
        """Restore the generator, and the codes that are known."""
        self.generator.set_state(held["generator"])
        for index, player in self._players():
            player.encoder.remember(strip_prefix(f"codes/{index}/", held))

    def _players(self) -> Iterator[tuple[int, Player]]:
        """Players with the numbers that a checkpoint knows them by."""
        return enumerate((*self.entangled, *self.disentangled))

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
        """One step of ψ; the decoders stand still. The coarse pattern of its batch, detached."""
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
