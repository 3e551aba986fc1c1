"""The fast gradient of m_ψ's objective against plain autograd through the whole graph."""

import pytest
import torch
from torch import Tensor, nn

from perturb.config import PerturbationConfig
from perturb.models import ARCHITECTURES, glorot_uniform_
from perturb.perturbation.game import LiteralPlayer, ResidualPlayer, player_loss, target, target_gradient
from perturb.perturbation.network import PerturbationNetwork

SAMPLES, BATCH, LATENTS, FACTORS = 5, 6, 4, 3
SHAPE = (32, 32, 3)


def _network(config: PerturbationConfig) -> PerturbationNetwork:
    generator = torch.Generator().manual_seed(0)
    return PerturbationNetwork(
        config, num_factors=FACTORS, image_shape=SHAPE, architecture="conv32", generator=generator
    ).double()


def _players(form: str, network: PerturbationNetwork, count: int) -> list[tuple[nn.Module, Tensor]]:
    generator = torch.Generator().manual_seed(count)
    players = []
    for _ in range(count):
        if form == "literal":
            decoder = ARCHITECTURES["conv32"].decoder(1, 3, LATENTS)
            glorot_uniform_(decoder, generators=[generator])
            player: nn.Module = LiteralPlayer(decoder)
        else:
            player = ResidualPlayer(LATENTS, network.pattern_shape, generator=generator)
        codes = torch.randn(SAMPLES, BATCH, LATENTS, dtype=torch.float64, generator=generator)
        players.append((player.double(), codes))
    return players


@pytest.mark.parametrize("form", ["literal", "residual"])
@pytest.mark.parametrize("generator", ["deconv", "coarse"])
@pytest.mark.parametrize("bound", ["reflect", "clip"])
@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("ensemble", [1, 2])
def test_the_fast_gradient_equals_autograd(form: str, generator: str, bound: str, normalise: bool, ensemble: int) -> None:
    config = PerturbationConfig(
        form=form, generator=generator, bound=bound, normalise_scalar=normalise, spread=1.0, epsilon=0.175
    )
    network = _network(config)
    entangled, disentangled = _players(form, network, ensemble), _players(form, network, ensemble + 2)
    draw = torch.Generator().manual_seed(9)
    images = torch.rand(BATCH, *SHAPE, dtype=torch.float64, generator=draw)
    factors = 2 * torch.rand(BATCH, FACTORS, dtype=torch.float64, generator=draw) - 1

    goal = target(network, images, factors, config)
    objective = torch.stack([player_loss(*player, goal) for player in entangled]).mean()
    objective = objective - torch.stack([player_loss(*player, goal) for player in disentangled]).mean()
    expected = torch.autograd.grad(objective, list(network.parameters()), allow_unused=True)

    goal = target(network, images, factors, config)
    gradient = target_gradient(entangled, disentangled)
    found = torch.autograd.grad(goal, list(network.parameters()), gradient, allow_unused=True)
    assert any(e is not None and e.abs().max() > 0 for e in expected)
    for e, f in zip(expected, found, strict=True):
        assert torch.allclose(e, f, rtol=1e-7, atol=1e-10)


def test_a_players_loss_is_summed_over_values_and_averaged_over_images_and_samples() -> None:
    player = nn.Unflatten(1, (2, 1, 1))
    codes = torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]])
    assert player_loss(player, codes, torch.zeros(1, 2, 1, 1)).item() == pytest.approx((1 + 4) / 2)


def test_the_literal_target_is_the_bounded_image() -> None:
    config = PerturbationConfig(epsilon=0.1)
    network = _network(config)
    images, factors = torch.rand(2, *SHAPE, dtype=torch.float64), torch.rand(2, FACTORS, dtype=torch.float64)
    goal = target(network, images, factors, config)
    assert goal.min() >= 0
    assert goal.max() <= 1
    assert (goal - images).abs().max() <= 0.1 + 1e-12
