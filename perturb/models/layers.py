"""Layers that hold many restarts at once: the first axis of every weight and of every activation is the restart.

Activations are (restarts, n, features) or, channels last, (restarts, n, height, width, channels). Convolutions halve the
image and transposed ones double it. One restart in float32 on a CPU takes oneDNN's convolutions, which are faster there,
without their bias: its gradient alone would take as long as all the rest.

Weights are float32; they are used in the precision of the activations. Codes are float32 always (`Cast`): bfloat16 would
round every unit by itself, to steps as wide as a posterior, and noise along the axes is what makes VAEs align with them.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from perturb.models.convolution import FEW_CHANNELS, STRIDE, Convolve, ConvolveTransposed, add_bias_, padding
from perturb.models.normalisation import SpectralNorm

_LARGE = 2**19
"""Numbers in a batch of images."""


class Layer(nn.Module):
    """What all have in common: `weight`, `bias` (zero for ever when there is none), and what normalises the weight."""

    fans: tuple[int, int]
    """Inputs and outputs that a weight connects."""

    def __init__(self, weight: tuple[int, ...], *, bias: bool = True, spectral: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(weight))
        self.bias = nn.Parameter(torch.empty(weight[0], weight[-1]), requires_grad=bias)
        self.norm = SpectralNorm(weight) if spectral else nn.Identity()

    def parameters_as(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Weight and bias in the precision of what they meet."""
        return self.norm(self.weight).to(features.dtype), self.bias.to(features.dtype)


class Linear(Layer):
    """(restarts, n, inputs) → (restarts, n, outputs)."""

    def __init__(self, restarts: int, inputs: int, outputs: int, *, bias: bool = True, spectral: bool = False) -> None:
        super().__init__((restarts, inputs, outputs), bias=bias, spectral=spectral)
        self.fans = inputs, outputs

    def forward(self, features: Tensor) -> Tensor:
        """Affine in every restart."""
        weight, bias = self.parameters_as(features)
        return torch.baddbmm(bias[:, None], features, weight)


class Rectifier(nn.Module):
    """ReLU, in place where no gradient is asked for: a fresh array for every layer costs as much as a convolution."""

    def forward(self, activations: Tensor) -> Tensor:
        """Same shape; what a layer has just put out, for it may be overwritten."""
        return torch.relu(activations) if torch.is_grad_enabled() else activations.relu_()


class Cast(nn.Module):
    """Activations in another precision from here on."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, activations: Tensor) -> Tensor:
        """Same shape."""
        return activations.to(self.dtype)


def reading_codes(network: nn.Sequential, dtype: torch.dtype) -> nn.Sequential:
    """A network whose first layer reads float32 codes in float32, and whose other layers work in `dtype`."""
    return nn.Sequential(network[0], Cast(dtype), *network[1:])


def writing_codes(network: nn.Sequential) -> nn.Sequential:
    """A network whose last layer writes codes in float32, whatever the others work in."""
    return nn.Sequential(*network[:-1], Cast(torch.float32), network[-1])


class Conv(Layer):
    """(restarts, n, height, width, inputs) → (restarts, n, height / 2, width / 2, outputs)."""

    def __init__(self, restarts: int, inputs: int, outputs: int, kernel: int, *, spectral: bool = False) -> None:
        super().__init__((restarts, kernel, kernel, inputs, outputs), spectral=spectral)
        self.fans = kernel * kernel * inputs, kernel * kernel * outputs

    def forward(self, images: Tensor) -> Tensor:
        """Convolve every restart's images with its own kernel."""
        (weight, bias), kernel = self.parameters_as(images), self.weight.shape[1]
        if _suits_onednn(images, weight.shape[-1], kernel):
            kernels = weight[0].permute(3, 2, 0, 1)
            return _by_onednn(functional.conv2d, images, kernels, bias)
        return Convolve.apply(images, weight, bias)


class Deconv(Layer):
    """(restarts, n, height, width, inputs) → (restarts, n, 2 · height, 2 · width, outputs); kernel 4."""

    def __init__(self, restarts: int, inputs: int, outputs: int, kernel: int = 4) -> None:
        super().__init__((restarts, inputs, kernel, kernel, outputs))
        self.fans = kernel * kernel * inputs, kernel * kernel * outputs

    def forward(self, images: Tensor) -> Tensor:
        """Convolve, transposed, every restart's images with its own kernel."""
        (weight, bias), kernel = self.parameters_as(images), self.weight.shape[2]
        # To one channel, torch scatters columns instead.
        if weight.shape[-1] > 1 and _suits_onednn(images, weight.shape[-1], kernel):
            kernels = weight[0].permute(0, 3, 1, 2)
            return _by_onednn(functional.conv_transpose2d, images, kernels, bias)
        return ConvolveTransposed.apply(images, weight, bias)


def _suits_onednn(images: Tensor, outputs: int, kernel: int) -> bool:
    """One restart on a CPU; in bfloat16 only where there is much to do for many channels."""
    if images.device.type != "cpu" or len(images) > 1:
        return False
    is_large = kernel > STRIDE and outputs > FEW_CHANNELS and images.numel() >= _LARGE
    return images.dtype == torch.float32 or is_large


def _by_onednn(convolve: Callable[..., Tensor], images: Tensor, kernels: Tensor, bias: Tensor) -> Tensor:
    """The only restart's images convolved; the bias is added apart where it needs a gradient."""
    settings = {"stride": STRIDE, "padding": padding(kernels.shape[-1])}
    if not torch.is_grad_enabled():
        return _channels_last(convolve(_channels_first(images), kernels, bias[0], **settings))
    return add_bias_(_channels_last(convolve(_channels_first(images), kernels, **settings)), bias)


def _channels_first(images: Tensor) -> Tensor:
    """The only restart's images as torch wants them, the memory untouched."""
    return images[0].permute(0, 3, 1, 2)


def _channels_last(images: Tensor) -> Tensor:
    return images.permute(0, 2, 3, 1).unsqueeze(0)
