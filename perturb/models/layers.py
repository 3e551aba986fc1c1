"""Layers that hold many restarts at once: the first axis of every weight and of every activation is the restart.

Activations are (restarts, n, features) or, channels last, (restarts, n, height, width, channels). Convolutions halve the
image and transposed ones double it. On a CPU, most of them use oneDNN, one restart after the other (`_suits_onednn`); matrix
products of patches are faster if patches do not overlap, for many restarts in float32, and on a GPU.

Weights are float32 and are cast to the precision of the activations. Codes are always float32 (`Cast`): bfloat16 would round
each unit separately, to steps as wide as a posterior, and noise along the axes is what makes VAEs align with them.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from perturb.models import onednn
from perturb.models.convolution import STRIDE, Convolve, ConvolveTransposed
from perturb.models.normalisation import SpectralNorm


class Layer(nn.Module):
    """Base class of all layers: `weight`, `bias` (frozen at zero if bias=False) and an optional weight normalisation."""

    fans: tuple[int, int]
    """Numbers of inputs and outputs that a weight connects."""

    def __init__(self, weight: tuple[int, ...], *, bias: bool = True, spectral: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(weight))
        self.bias = nn.Parameter(torch.empty(weight[0], weight[-1]), requires_grad=bias)
        self.norm = SpectralNorm(weight) if spectral else nn.Identity()

    def parameters_as(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return weight and bias in the precision of the features."""
        return self.norm(self.weight).to(features.dtype), self.bias.to(features.dtype)


class Linear(Layer):
    """A dense layer: (restarts, n, inputs) → (restarts, n, outputs)."""

    def __init__(self, restarts: int, inputs: int, outputs: int, *, bias: bool = True, spectral: bool = False) -> None:
        super().__init__((restarts, inputs, outputs), bias=bias, spectral=spectral)
        self.fans = inputs, outputs

    def forward(self, features: Tensor) -> Tensor:
        """Apply the affine map of every restart."""
        weight, bias = self.parameters_as(features)
        return torch.baddbmm(bias[:, None], features, weight)


class ReLU(nn.Module):
    """ReLU, in place if gradients are disabled: a new array for every layer costs as much as a convolution."""

    def forward(self, activations: Tensor) -> Tensor:
        """Apply ReLU, in place under no_grad. Pass only a fresh activation, because the input may be overwritten."""
        return torch.relu(activations) if torch.is_grad_enabled() else activations.relu_()


class Cast(nn.Module):
    """Casts activations to another precision."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, activations: Tensor) -> Tensor:
        """Return the activations in the other precision, with the same shape."""
        return activations.to(self.dtype)


def with_float32_input(network: nn.Sequential, dtype: torch.dtype) -> nn.Sequential:
    """Return the network with its first layer in float32, since codes are float32, and its other layers in `dtype`."""
    first, *others = network
    return nn.Sequential(first, Cast(dtype), *others)


def with_float32_output(network: nn.Sequential) -> nn.Sequential:
    """Return the network with its last layer, which outputs codes, in float32, whatever the precision of the others."""
    *others, last = network
    return nn.Sequential(*others, Cast(torch.float32), last)


class Conv(Layer):
    """A convolution: (restarts, n, height, width, inputs) → (restarts, n, height / 2, width / 2, outputs)."""

    def __init__(self, restarts: int, inputs: int, outputs: int, kernel: int, *, spectral: bool = False) -> None:
        super().__init__((restarts, kernel, kernel, inputs, outputs), spectral=spectral)
        self.fans = kernel * kernel * inputs, kernel * kernel * outputs

    def forward(self, images: Tensor) -> Tensor:
        """Convolve every restart's images with its own kernel."""
        (weight, bias), kernel = self.parameters_as(images), self.weight.shape[1]
        convolve = onednn.Convolve if _suits_onednn(images, kernel) else Convolve
        return convolve.apply(images, weight, bias)


class Deconv(Layer):
    """A transposed convolution: (restarts, n, height, width, inputs) → (restarts, n, 2 · height, 2 · width, outputs).

    The kernel is 4 by default.
    """

    def __init__(self, restarts: int, inputs: int, outputs: int, kernel: int = 4) -> None:
        super().__init__((restarts, inputs, kernel, kernel, outputs))
        self.fans = kernel * kernel * inputs, kernel * kernel * outputs

    def forward(self, images: Tensor) -> Tensor:
        """Apply the transposed convolution of every restart to its images."""
        (weight, bias), kernel = self.parameters_as(images), self.weight.shape[2]
        convolve = onednn.ConvolveTransposed if _suits_onednn(images, kernel) else ConvolveTransposed
        return convolve.apply(images, weight, bias)


def _suits_onednn(images: Tensor, kernel: int) -> bool:
    """Return whether oneDNN is faster: on a CPU, for a single restart in float32, or overlapping patches in bfloat16."""
    if images.device.type != "cpu":
        return False
    return len(images) == 1 if images.dtype == torch.float32 else images.dtype == torch.bfloat16 and kernel > STRIDE


@torch.no_grad()
def glorot_uniform_(module: nn.Module, *, generators: Sequence[torch.Generator]) -> None:
    """Draw Glorot-uniform weights and set biases to zero (the tf.layers default), each restart from its own generator.

    The fans of a convolution include its receptive field, as in TensorFlow.
    """
    for layer in module.modules():
        if isinstance(layer, SpectralNorm):
            layer.start_(generators)
        if isinstance(layer, Layer):
            limit = math.sqrt(6 / sum(layer.fans))
            for weight, generator in zip(layer.weight, generators, strict=True):
                weight.uniform_(-limit, limit, generator=generator)
            layer.bias.zero_()
