import math
from typing import get_args

import pytest
import torch
from torch import nn

from perturb.config import TrainingConfig
from perturb.models import ARCHITECTURES, glorot_uniform_
from perturb.models.layers import Conv, Linear, ReLU


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize(("channels", "latents", "encoder", "decoder"), [(1, 5, 306_634, 380_033), (3, 6, 308_172, 381_315)])
def test_conv64_has_as_many_parameters_as_in_disentanglement_lib(
    channels: int, latents: int, encoder: int, decoder: int
) -> None:
    architecture = ARCHITECTURES["conv64"]
    assert _parameters(architecture.encoder(1, channels, latents)) == encoder
    assert _parameters(architecture.decoder(1, channels, latents)) == decoder


def test_conv64_has_kernels_of_sizes_4_4_2_and_2() -> None:
    layers = [layer for layer in ARCHITECTURES["conv64"].encoder(1, 1, 5) if isinstance(layer, Conv)]
    assert [tuple(layer.weight.shape[1:3]) for layer in layers] == [(4, 4), (4, 4), (2, 2), (2, 2)]


def test_architectures_have_the_names_that_configs_accept() -> None:
    assert set(ARCHITECTURES) == set(get_args(TrainingConfig.model_fields["architecture"].annotation))


TABLE_3_1 = {
    "mlp64": (1, 5, (4096, 1200, 1200, 5), nn.ReLU, (5, 1200, 1200, 1200, 4096)),
    "mlp_vectors": (6, 2, (6, 60, 40, 20, 2), nn.Tanh, (2, 60, 40, 20, 6)),
    "mlp28": (1, 6, (784, 400, 6), nn.ReLU, (6, 500, 500, 784)),
    "linear": (3, 2, (3, 2), None, (2, 3)),
}
"""Channels, latents, encoder widths and activation, and decoder widths (the decoder's activation is tanh)."""


def _widths(network: nn.Module) -> tuple[int, ...]:
    """Input width of the first dense layer and output width of each. The last two of an encoder are its two heads."""
    shapes = [layer.weight.shape[1:] for layer in network.modules() if isinstance(layer, Linear)]
    return shapes[0][0], *(outputs for _, outputs in shapes)


@pytest.mark.parametrize("name", TABLE_3_1)
def test_fully_connected_networks_have_the_layers_of_the_thesis(name: str) -> None:
    channels, latents, encoder, activation, decoder = TABLE_3_1[name]
    built = ARCHITECTURES[name].encoder(1, channels, latents), ARCHITECTURES[name].decoder(1, channels, latents)
    assert _widths(built[0]) == (*encoder, latents)
    assert _widths(built[1]) == decoder
    for network, nonlinearity, hidden in zip(
        built, (activation, nn.Tanh), (len(encoder) - 2, len(decoder) - 2), strict=True
    ):
        found = [layer for layer in network if isinstance(layer, nn.Tanh | nn.ReLU | ReLU)]
        assert len(found) == hidden
        assert all(
            torch.equal(layer(torch.tensor([-2.0, 2.0])), nonlinearity()(torch.tensor([-2.0, 2.0]))) for layer in found
        )


def test_linear_encoders_and_decoders_are_affine() -> None:
    generators = _generators(0)
    for network, inputs in (
        (ARCHITECTURES["linear"].encoder(1, 3, 2), (3, 1, 1, 3)),
        (ARCHITECTURES["linear"].decoder(1, 3, 2), (3, 2)),
    ):
        glorot_uniform_(network, generators=generators)
        a, b = torch.randn(2, 1, *inputs, generator=generators[0])
        middle = network((a + b) / 2)
        assert torch.allclose(middle, (network(a) + network(b)) / 2, atol=1e-6)
        assert not torch.allclose(network(a), network(b))


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(("restarts", "channels"), [(1, 1), (1, 3), (2, 3)])
def test_encoder_and_decoder_shapes_fit_together(name: str, restarts: int, channels: int) -> None:
    architecture, latents = ARCHITECTURES[name], 5
    images = torch.rand(restarts, 2, architecture.image_size, architecture.image_size, channels)
    statistics = architecture.encoder(restarts, channels, latents)(images)
    assert statistics.shape == (restarts, 2, 2 * latents)
    assert architecture.decoder(restarts, channels, latents)(statistics[..., :latents]).shape == images.shape


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_weights_start_glorot_uniform_and_biases_at_zero(name: str) -> None:
    network = ARCHITECTURES[name].encoder(1, 3, 6)
    glorot_uniform_(network, generators=_generators(0))
    for layer in network.modules():
        if isinstance(layer, Linear | Conv):
            *receptive, inputs, outputs = layer.weight.shape[1:]
            limit = math.sqrt(6 / ((inputs + outputs) * math.prod(receptive)))
            assert layer.bias.abs().max() == 0
            assert 0.7 * limit < layer.weight.detach().abs().max() <= limit * 1.00001
            rel = max(0.1, 1.5 / math.sqrt(layer.weight.numel()))
            assert layer.weight.detach().std().item() == pytest.approx(limit / math.sqrt(3), rel=rel)


def test_initial_weights_depend_only_on_the_restarts_generator() -> None:
    weights = []
    for seeds in ([7], [3, 7]):
        torch.rand(3)
        network = ARCHITECTURES["conv32"].decoder(len(seeds), 3, 4)
        glorot_uniform_(network, generators=_generators(*seeds))
        weights.append(torch.cat([p.detach()[-1].reshape(-1) for p in network.parameters()]))
    assert torch.equal(*weights)
