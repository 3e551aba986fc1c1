"""The objective of m_ψ and of the decoders it plays with (thesis 4.2.4), in two forms that share everything else.

Encoders are frozen and fed the original images, so codes z do not depend on ψ; each player decodes z and is trained to
come close to a target t that ψ sets. ψ minimises mean_ent E‖t − D(z)‖² − mean_dis E‖t − D(z)‖². The squares of t cancel:
the gradient with respect to t is 2 (mean_dis E D(z) − mean_ent E D(z)), which needs no gradient through any decoder.

literal    t = x′, players are the trained decoders (sigmoid of their logits), as the thesis writes it.
residual   t = δ before the mirror, players are fresh small networks. It is the literal objective for x′ = x + ε·δ with the
           part that does not depend on ψ subtracted: what is left to explain is the pattern alone.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from perturb.config import PerturbationConfig
from perturb.models import glorot_uniform_
from perturb.models.layers import Linear
from perturb.perturbation.bounds import bounded
from perturb.perturbation.network import PerturbationNetwork

HIDDEN = 128


class LiteralPlayer(nn.Module):
    """A trained decoder that reconstructs x′ from z."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, codes: Tensor) -> Tensor:
        """Reconstructions in [0, 1], (n, height, width, channels), of codes (n, latents)."""
        return torch.sigmoid(self.decoder(codes[None])[0])


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
    """What the players come close to, with gradient to ψ: x′ (literal) or δ before enlarging and mirror (residual)."""
    pattern = network.coarse_pattern(factors)
    if config.form == "residual":
        return pattern
    return bounded(images, network.enlarged(pattern), epsilon=config.epsilon, bound=config.bound)


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
