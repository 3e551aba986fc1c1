import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from perturb.models import layers
from perturb.models.convolution import im2col, padding
from perturb.models.layers import Conv, Deconv, Linear

RESTARTS = 3


def _filled(layer: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for weight in layer.parameters():
        nn.init.normal_(weight, generator=generator)
    return layer.double()


def _images(restarts: int, channels: int, size: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(restarts, 2, size, size, channels, generator=generator, dtype=torch.float64)


def _torchs(layer: nn.Module, images: Tensor) -> Tensor:
    """The same layer restart by restart, with torch's own convolutions."""
    found = []
    for image, weight, bias in zip(images.permute(0, 1, 4, 2, 3), layer.weight, layer.bias, strict=True):
        if isinstance(layer, Conv):
            kernel = weight.shape[0]
            wide = functional.conv2d(image, weight.permute(3, 2, 0, 1), bias, stride=2, padding=(kernel - 2) // 2)
        else:
            pad = (weight.shape[1] - 2) // 2
            wide = functional.conv_transpose2d(image, weight.permute(0, 3, 1, 2), bias, stride=2, padding=pad)
        found.append(wide.permute(0, 2, 3, 1))
    return torch.stack(found)


CASES = {
    "k4": lambda restarts: Conv(restarts, 6, 5, 4),
    "k2": lambda restarts: Conv(restarts, 6, 7, 2),
    "k4, three channels": lambda restarts: Conv(restarts, 3, 5, 4),
    "k2, three channels": lambda restarts: Conv(restarts, 3, 5, 2),
    "transposed": lambda restarts: Deconv(restarts, 6, 5),
    "transposed, k2": lambda restarts: Deconv(restarts, 6, 5, 2),
    "transposed, one channel": lambda restarts: Deconv(restarts, 6, 1),
    "transposed, three channels": lambda restarts: Deconv(restarts, 6, 3),
}
THREE = {"k4, three channels", "k2, three channels"}


@pytest.mark.parametrize("restarts", [1, RESTARTS])
@pytest.mark.parametrize("case", CASES)
def test_convolutions_and_their_gradients_equal_torchs(case: str, restarts: int) -> None:
    layer = _filled(CASES[case](restarts))
    images = _images(restarts, 3 if case in THREE else 6).requires_grad_()
    found, expected = layer(images), _torchs(layer, images)
    assert torch.allclose(found, expected)
    cotangent = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    inputs = [images, layer.weight, layer.bias]
    for a, b in zip(
        torch.autograd.grad(found, inputs, cotangent), torch.autograd.grad(expected, inputs, cotangent), strict=True
    ):
        assert torch.allclose(a, b)


def test_linear_is_affine_in_every_restart() -> None:
    layer, features = _filled(Linear(RESTARTS, 4, 5)), torch.randn(RESTARTS, 2, 4, dtype=torch.float64)
    for restart in range(RESTARTS):
        expected = features[restart] @ layer.weight[restart] + layer.bias[restart]
        assert torch.allclose(layer(features)[restart], expected)


@pytest.mark.parametrize("channels", [2, 6])
@pytest.mark.parametrize("kernel", [2, 4])
def test_patches_equal_torchs_unfold(kernel: int, channels: int) -> None:
    images = _images(RESTARTS, channels)
    found = im2col(images, kernel).unflatten(2, (kernel, kernel, channels)).unflatten(1, (2, 16))
    unfolded = functional.unfold(images.flatten(0, 1).permute(0, 3, 1, 2), kernel, padding=padding(kernel), stride=2)
    expected = unfolded.unflatten(1, (channels, kernel, kernel)).unflatten(0, (RESTARTS, 2)).permute(0, 1, 5, 3, 4, 2)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("case", CASES)
def test_the_onednn_path_and_ours_agree(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = _filled(CASES[case](1)).float()
    images = _images(1, 3 if case in THREE else 6).float()
    found = []
    for suits in (True, False):
        monkeypatch.setattr(layers, "_suits_onednn", lambda *_, suits=suits: suits)
        found.append(layer(images))
    assert torch.allclose(*found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_activations_determine_the_precision(case: str) -> None:
    layer = CASES[case](1)
    assert layer.weight.dtype == torch.float32
    channels = 3 if case in THREE else 6
    assert layer(_images(1, channels).bfloat16()).dtype == torch.bfloat16
