"""The objective of m_ψ as a game with decoders (thesis 4.2.4): the forms `literal` and `residual`.

Encoders are frozen and see the original images, so codes z do not depend on ψ. Each player decodes z and is trained to match
a target t that depends on ψ. ψ minimises mean_ent E‖t − D(z)‖² − mean_dis E‖t − D(z)‖². The squares of t cancel: the
gradient with respect to t is 2 (mean_dis E D(z) − mean_ent E D(z)), which needs no gradient through any decoder.

literal    t = x′, and the players are the trained decoders (the means of their likelihoods), as in the thesis.
residual   t = δ before the reflection, and the players are new small networks. This objective is ours, not the thesis's.

Let the players be at their optimum, and let K = K_ent − K_dis be the difference of the operators t ↦ E[t | z]. Then the
objective is −⟨t, K t⟩. For t = x + εδ this is −⟨x, K x⟩ − 2ε ⟨δ, K x⟩ − ε² ⟨δ, K δ⟩. The residual form keeps only the last
term. It drops the first, which ψ cannot influence, but also the second, which is first order in ε and is the thesis's
motivation for the method.
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
        decoder: The decoder, changed in place.
        mean: Function from its outputs to expected images, given by the likelihood that it was trained with. The default
            takes the outputs as logits.

    """

    def __init__(self, decoder: nn.Module, mean: Callable[[Tensor], Tensor] = torch.sigmoid) -> None:
        super().__init__()
        self.decoder, self._mean = decoder, mean

    def forward(self, codes: Tensor) -> Tensor:
        """Return reconstructions (n, height, width, channels) for codes (n, latents)."""
        return self._mean(self.decoder(codes[None])[0])


class ResidualPlayer(nn.Module):
    """A new small network that predicts only the pattern from z."""

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
        """Return predicted patterns (n, *pattern_shape) for codes (n, latents)."""
        return self.layers(codes[None])[0]


def target(network: PerturbationNetwork, images: Tensor, factors: Tensor, config: PerturbationConfig) -> Tensor:
    """Return the players' target, differentiable in ψ: x′ (literal), or δ before enlarging and reflection (residual)."""
    pattern = network.coarse_pattern(factors)
    if config.form == "residual":
        return pattern
    return reflect_or_clip(images, network.enlarged(pattern), epsilon=config.epsilon, bound=config.bound)


def player_loss(player: nn.Module, codes: Tensor, goal: Tensor) -> Tensor:
    """Return the squared error, summed over the target's values and averaged over images and samples.

    Args:
        player: Network that decodes a batch of codes.
        codes: Codes, (samples, n, latents).
        goal: Target, (n, ...), detached.

    """
    predicted = player(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
    return (predicted - goal).square().flatten(2).sum(dim=2).mean()


@torch.no_grad()
def target_gradient(
    entangled: Sequence[tuple[nn.Module, Tensor]], disentangled: Sequence[tuple[nn.Module, Tensor]]
) -> Tensor:
    """Return d(L_ent − L_dis)/dt, (n, ...), in closed form; each player comes with its codes (samples, n, latents)."""
    difference = _mean_prediction(disentangled) - _mean_prediction(entangled)
    return 2 * difference / len(difference)


def _mean_prediction(players: Sequence[tuple[nn.Module, Tensor]]) -> Tensor:
    """Return predictions (n, ...) averaged over samples and over the ensemble."""
    means = [player(codes.flatten(0, 1)).unflatten(0, codes.shape[:2]).mean(dim=0) for player, codes in players]
    return torch.stack(means).mean(dim=0)


@dataclass(frozen=True)
class Player:
    """A selected model: its frozen encoder, and its network in the game."""

    encoder: FrozenEncoder
    network: nn.Module


class Game:
    """Training of m_ψ against two ensembles: three batches for the decoders, then one for ψ (thesis 4.3.1).

    Args:
        config: Settings: schedule, form and bound.
        network: The network m_ψ, changed in place.
        entangled: Models whose loss ψ lowers.
        disentangled: Models whose loss ψ raises.
        pixels: The original images.
        grid: Factor grid of the images.
        generator: Generator that draws batches and codes, on the CPU.
        device: Device of the networks.

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
        """Make `decoder_steps` steps of the decoders, then one of ψ.

        The logged values are `loss_entangled` and `loss_disentangled`, the squared errors per image before the ψ update, and
        their `gap`, disentangled − entangled.
        """
        for _ in range(self.config.decoder_steps):
            losses = self._update_players()
        return losses, self._update_network()

    def held(self) -> Tensors:
        """Return the state of the generator, and the cached codes."""
        codes = {
            f"codes/{index}/{name}": value
            for index, player in self._players()
            for name, value in player.encoder.known().items()
        }
        return codes | {"generator": self.generator.get_state()}

    def take_back(self, held: Tensors) -> None:
        """Restore the generator, and the cached codes."""
        self.generator.set_state(held["generator"])
        for index, player in self._players():
            player.encoder.remember(strip_prefix(f"codes/{index}/", held))

    def _players(self) -> Iterator[tuple[int, Player]]:
        """Return the players with their indices in checkpoints."""
        return enumerate((*self.entangled, *self.disentangled))

    def _batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return image indices, images and factors of a new batch."""
        indices = torch.randint(len(self.pixels), (self.config.batch_size,), generator=self.generator)
        factors = torch.from_numpy(self.grid.scaled(indices.numpy())).to(self.device)
        return indices, self.pixels.batch(indices, device=self.device), factors

    def _codes(self, player: Player, indices: Tensor) -> Tensor:
        codes = player.encoder.sample(indices, self.config.latent_samples, generator=self.generator)
        return codes.to(self.device)

    def _update_players(self) -> dict[str, float]:
        """Make one step of every decoder on its own loss, with ψ fixed."""
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
        """Make one step of ψ with the decoders fixed, and return the coarse pattern of its batch, detached."""
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
