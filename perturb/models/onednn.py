"""The convolutions of convolution.py by oneDNN, one restart after the other, for CPUs.

Three passes make both, each of which is the other's gradient: images halve, images double, and the gradient of a weight.
Autograd would put them together by itself, but then a bias's gradient takes as long as all the rest, and the gradient of one
restart's images is copied into a new array of zeros.
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
        """Convolve images with a stride of two, which halves their height and width."""
        ctx.save_for_backward(images, weight)
        return conv2d(images, weight.permute(0, 4, 3, 1, 2), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The images' gradient is a transposed convolution."""
        images, weight = ctx.saved_tensors
        for_images, for_weight, for_bias = ctx.needs_input_grad
        of_images = conv_transpose2d(gradient, weight.permute(0, 4, 1, 2, 3)) if for_images else None
        of_weight = weight_gradient(images, gradient, weight.shape[1]).permute(0, 3, 4, 2, 1) if for_weight else None
        return of_images, of_weight, gradient.sum(dim=(1, 2, 3)) if for_bias else None


class ConvolveTransposed(torch.autograd.Function):
    """Images (r, n, h, w, inputs), weight (r, inputs, k, k, outputs), bias (r, outputs) → (r, n, 2 · h, 2 · w, outputs)."""

    @staticmethod
    def forward(ctx: Context, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Convolve images transposed with a stride of two, which doubles their height and width."""
        ctx.save_for_backward(images, weight)
        return conv_transpose2d(images, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The images' gradient is a convolution."""
        images, weight = ctx.saved_tensors
        for_images, for_weight, for_bias = ctx.needs_input_grad
        of_images = conv2d(gradient, weight.permute(0, 1, 4, 2, 3)) if for_images else None
        of_weight = weight_gradient(gradient, images, weight.shape[2]).permute(0, 1, 3, 4, 2) if for_weight else None
        return of_images, of_weight, gradient.sum(dim=(1, 2, 3)) if for_bias else None


def conv2d(images: Tensor, kernels: Tensor, bias: Tensor | None = None) -> Tensor:
    """A convolution by kernels (r, outputs, inputs, k, k)."""
    return _each(functional.conv2d, images, kernels, bias)


def conv_transpose2d(images: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A transposed convolution by a weight (r, inputs, k, k, outputs); to few channels torch scatters slowly."""
    if weight.shape[-1] <= FEW_CHANNELS:
        found = conv_transpose(images, weight)
        return found if bias is None else add_bias_(found, bias)
    return _each(functional.conv_transpose2d, images, weight.permute(0, 1, 4, 2, 3), bias)


def weight_gradient(large: Tensor, small: Tensor, kernel: int) -> Tensor:
    """A weight's gradient from images that a convolution halved and its outputs' gradient: (r, outputs, inputs, k, k)."""
    shape, settings = (small.shape[-1], large.shape[-1], kernel, kernel), _settings(kernel)
    pairs = zip(_channels_first(large), _channels_first(small), strict=True)
    return torch.stack([conv2d_weight(images, shape, gradient, **settings) for images, gradient in pairs])


def _each(convolve: Callable[..., Tensor], images: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
    """Every restart's images convolved with its kernels."""
    settings = _settings(kernels.shape[-1])
    biases = [None] * len(images) if bias is None else bias
    found = [
        convolve(image, kernel, added, **settings).permute(0, 2, 3, 1)
        for image, kernel, added in zip(_channels_first(images), kernels, biases, strict=True)
    ]
    return torch.stack(found) if len(found) > 1 else found[0][None]


def _settings(kernel: int) -> dict[str, int]:
    return {"stride": STRIDE, "padding": padding(kernel)}


def _channels_first(images: Tensor) -> Tensor:
    """Images as torch wants them, the memory untouched."""
    return images.contiguous().permute(0, 1, 4, 2, 3)
