import math

import pytest
import torch
from torch import nn

from perturb.models import ARCHITECTURES, glorot_uniform_


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("channels", "latents", "encoder", "decoder"), [(1, 5, 306_634, 380_033), (3, 6, 308_172, 381_315)])
def test_conv64_has_the_parameters_of_disentanglement_lib(channels: int, latents: int, encoder: int, decoder: int) -> None:
    architecture = ARCHITECTURES["conv64"]
    assert _parameters(architecture.encoder(channels, latents)) == encoder
    assert _parameters(architecture.decoder(channels, latents)) == decoder


def test_conv64_has_kernels_four_four_two_two() -> None:
    kernels = [m.kernel_size[0] for m in ARCHITECTURES["conv64"].encoder(1, 5) if isinstance(m, nn.Conv2d)]
    assert kernels == [4, 4, 2, 2]


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("channels", [1, 3])
def test_encoder_and_decoder_fit_together(name: str, channels: int) -> None:
    architecture, latents = ARCHITECTURES[name], 5
    size = architecture.image_size
    statistics = architecture.encoder(channels, latents)(torch.rand(2, channels, size, size))
    assert statistics.shape == (2, 2 * latents)
    assert architecture.decoder(channels, latents)(statistics[:, :latents]).shape == (2, channels, size, size)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_weights_start_glorot_uniform_and_biases_zero(name: str) -> None:
    network = ARCHITECTURES[name].encoder(3, 6)
    glorot_uniform_(network, generator=torch.Generator().manual_seed(0))
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            receptive = layer.weight[0][0].numel()
            limit = math.sqrt(6 / ((layer.weight.shape[0] + layer.weight.shape[1]) * receptive))
            assert layer.bias.abs().max() == 0
            assert 0.7 * limit < layer.weight.detach().abs().max() <= limit * 1.00001
            assert layer.weight.detach().std().item() == pytest.approx(limit / math.sqrt(3), rel=0.1)


def test_initial_weights_depend_on_the_generator_alone() -> None:
    weights = []
    for _ in range(2):
        torch.rand(3)
        network = ARCHITECTURES["conv32"].decoder(3, 4)
        glorot_uniform_(network, generator=torch.Generator().manual_seed(7))
        weights.append(torch.cat([p.detach().reshape(-1) for p in network.parameters()]))
    assert torch.equal(*weights)
