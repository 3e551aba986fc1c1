import math

import pytest
import torch
from torch import nn

from perturb.models import ARCHITECTURES, glorot_uniform_
from perturb.models.layers import Conv, Linear


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize(("channels", "latents", "encoder", "decoder"), [(1, 5, 306_634, 380_033), (3, 6, 308_172, 381_315)])
def test_conv64_has_the_parameters_of_disentanglement_lib(channels: int, latents: int, encoder: int, decoder: int) -> None:
    architecture = ARCHITECTURES["conv64"]
    assert _parameters(architecture.encoder(1, channels, latents)) == encoder
    assert _parameters(architecture.decoder(1, channels, latents)) == decoder


def test_conv64_has_kernels_four_four_two_two() -> None:
    layers = [layer for layer in ARCHITECTURES["conv64"].encoder(1, 1, 5) if isinstance(layer, Conv)]
    assert [tuple(layer.weight.shape[1:3]) for layer in layers] == [(4, 4), (4, 4), (2, 2), (2, 2)]


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(("restarts", "channels"), [(1, 1), (1, 3), (2, 3)])
def test_encoder_and_decoder_fit_together(name: str, restarts: int, channels: int) -> None:
    architecture, latents = ARCHITECTURES[name], 5
    images = torch.rand(restarts, 2, architecture.image_size, architecture.image_size, channels)
    statistics = architecture.encoder(restarts, channels, latents)(images)
    assert statistics.shape == (restarts, 2, 2 * latents)
    assert architecture.decoder(restarts, channels, latents)(statistics[..., :latents]).shape == images.shape


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_weights_start_glorot_uniform_and_biases_zero(name: str) -> None:
    network = ARCHITECTURES[name].encoder(1, 3, 6)
    glorot_uniform_(network, generators=_generators(0))
    for layer in network.modules():
        if isinstance(layer, Linear | Conv):
            *receptive, inputs, outputs = layer.weight.shape[1:]
            limit = math.sqrt(6 / ((inputs + outputs) * math.prod(receptive)))
            assert layer.bias.abs().max() == 0
            assert 0.7 * limit < layer.weight.detach().abs().max() <= limit * 1.00001
            assert layer.weight.detach().std().item() == pytest.approx(limit / math.sqrt(3), rel=0.1)


def test_initial_weights_depend_on_the_restarts_generator_alone() -> None:
    weights = []
    for seeds in ([7], [3, 7]):
        torch.rand(3)
        network = ARCHITECTURES["conv32"].decoder(len(seeds), 3, 4)
        glorot_uniform_(network, generators=_generators(*seeds))
        weights.append(torch.cat([p.detach()[-1].reshape(-1) for p in network.parameters()]))
    assert torch.equal(*weights)
