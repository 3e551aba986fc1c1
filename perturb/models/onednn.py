"""The convolutions of convolution.py with oneDNN, one restart after the other, for CPUs.

A convolution and a transposed one, each the gradient of the other, need three operations: halving images, doubling images,
and the gradient of a weight. Autograd could combine them by itself, but then the gradient of a bias takes as long as all the
rest, and the gradient of one restart's images is copied into a new array of zeros.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from perturb.models.convolution import FEW_CHANNELS, STRIDE, Context, add_bias_, conv_transpose, padding


class Convolve(torch.autograd.Function):
    """Images (r, n, h, w, inputs), weight (r, k, k, inputs, outputs), bias (r, outputs) → (r, n, h / 2, w / 2, outputs)."""

    @staticmethod
    def forward(ctx: Context, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Convolve images with a stride of 2, which halves their height and width."""
        ctx.save_for_backward(images, weight)
        return conv2d(images, weight.permute(0, 4, 3, 1, 2), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Compute all gradients. That of the images is a transposed convolution."""
        images, weight = ctx.saved_tensors
        for_images, for_weight, for_bias = ctx.needs_input_grad
        of_images = conv_transpose2d(gradient, weight.permute(0, 4, 1, 2, 3)) if for_images else None
        of_weight = weight_gradient(images, gradient, weight.shape[1]).permute(0, 3, 4, 2, 1) if for_weight else None
        return of_images, of_weight, gradient.sum(dim=(1, 2, 3)) if for_bias else None


class ConvolveTransposed(torch.autograd.Function):
    """Images (r, n, h, w, inputs), weight (r, inputs, k, k, outputs), bias (r, outputs) → (r, n, 2 · h, 2 · w, outputs)."""

    @staticmethod
    def forward(ctx: Context, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Apply a transposed convolution with a stride of 2, which doubles the images' height and width."""
        ctx.save_for_backward(images, weight)
        return conv_transpose2d(images, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Compute all gradients. That of the images is a convolution."""
        images, weight = ctx.saved_tensors
        for_images, for_weight, for_bias = ctx.needs_input_grad
        of_images = conv2d(gradient, weight.permute(0, 1, 4, 2, 3)) if for_images else None
        of_weight = weight_gradient(gradient, images, weight.shape[2]).permute(0, 1, 3, 4, 2) if for_weight else None
        return of_images, of_weight, gradient.sum(dim=(1, 2, 3)) if for_bias else None


def conv2d(images: Tensor, kernels: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve images with kernels (r, outputs, inputs, k, k)."""
    return _each(functional.conv2d, images, kernels, bias)


def conv_transpose2d(images: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply a transposed convolution with a weight (r, inputs, k, k, outputs). With few outputs torch's scatter is slow."""
    if weight.shape[-1] <= FEW_CHANNELS:
        result = conv_transpose(images, weight)
        return result if bias is None else add_bias_(result, bias)
    return _each(functional.conv_transpose2d, images, weight.permute(0, 1, 4, 2, 3), bias)


def weight_gradient(large: Tensor, small: Tensor, kernel: int) -> Tensor:
    """Return a weight's gradient, (r, outputs, inputs, k, k), from the images of a convolution and its outputs' gradient."""
    shape, settings = (small.shape[-1], large.shape[-1], kernel, kernel), _settings(kernel)
    pairs = zip(_channels_first(large), _channels_first(small), strict=True)
    return torch.stack([conv2d_weight(images, shape, gradient, **settings) for images, gradient in pairs])


def _each(convolve: Callable[..., Tensor], images: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve the images of every restart with its kernels."""
    settings = _settings(kernels.shape[-1])
    biases = [None] * len(images) if bias is None else bias
    results = [
        convolve(image, kernel, added, **settings).permute(0, 2, 3, 1)
        for image, kernel, added in zip(_channels_first(images), kernels, biases, strict=True)
    ]
    return torch.stack(results) if len(results) > 1 else results[0][None]


def _settings(kernel: int) -> dict[str, int]:
    return {"stride": STRIDE, "padding": padding(kernel)}


def _channels_first(images: Tensor) -> Tensor:
    """View images with the channels first, as torch expects. The order in memory stays the same."""
    return images.contiguous().permute(0, 1, 4, 2, 3)
