"""Convolutions of many restarts at once, as batched matrix products of patches, without any scatter operation.

Kernels are 2 or 4, strides are 2, and padding is that of TensorFlow's SAME: 1 for kernel 4, none for kernel 2. A convolution
gathers the patches that its outputs see. A transposed convolution gathers as well: each block of 2 × 2 outputs depends on
kernel / 2 inputs along each axis. Each of the two is the gradient of the other. Grouped convolutions would give the same
result, but their backward pass is slow.

Images are (restarts, n, height, width, channels). With few channels, patches are stored plane by plane, so that copies run
along rows of an image instead of along two or three numbers.
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

STRIDE = 2
FEW_CHANNELS = 4


class Context(Protocol):
    """The `ctx` that an autograd function passes from its forward pass to its backward pass.

    The stubs declare the attributes on a class outside the public API, and as tuples of length 1.
    """

    saved_tensors: tuple[Tensor, ...]
    """Tensors that were passed to `save_for_backward`."""
    needs_input_grad: tuple[bool, ...]
    """True for every argument of the forward pass that needs a gradient."""

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Save tensors for the backward pass."""
        ...


class Convolve(torch.autograd.Function):
    """Images (r, n, h, w, inputs), weight (r, k, k, inputs, outputs), bias (r, outputs) → (r, n, h / 2, w / 2, outputs)."""

    @staticmethod
    def forward(ctx: Context, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Convolve images as a product of their patches and the weights."""
        patches = im2col(images, weight.shape[1])
        ctx.save_for_backward(patches, weight)
        return add_bias_(torch.bmm(patches, weight.flatten(1, 3)).view(*_halved(images), -1), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Compute all gradients. That of the images is a transposed convolution."""
        patches, weight = ctx.saved_tensors
        for_images, for_weight, for_bias = ctx.needs_input_grad
        of_images = conv_transpose(gradient, weight.permute(0, 4, 1, 2, 3)) if for_images else None
        of_weight = torch.bmm(patches.transpose(1, 2), gradient.flatten(1, 3)).view(weight.shape) if for_weight else None
        return of_images, of_weight, gradient.sum(dim=(1, 2, 3)) if for_bias else None


class ConvolveTransposed(torch.autograd.Function):
    """Images (r, n, h, w, inputs), weight (r, inputs, k, k, outputs), bias (r, outputs) → (r, n, 2 · h, 2 · w, outputs)."""

    @staticmethod
    def forward(ctx: Context, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Compute blocks of outputs from the inputs that reach them."""
        ctx.save_for_backward(images, weight)
        return add_bias_(conv_transpose(images, weight), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Compute all gradients. That of the images is a convolution."""
        images, weight = ctx.saved_tensors
        patches = im2col(gradient, weight.shape[2])
        for_images, for_weight, for_bias = ctx.needs_input_grad
        of_images = torch.bmm(patches, weight.flatten(2).transpose(1, 2)).view(images.shape) if for_images else None
        of_weight = torch.bmm(images.flatten(1, 3).transpose(1, 2), patches).view(weight.shape) if for_weight else None
        return of_images, of_weight, gradient.sum(dim=(1, 2, 3)) if for_bias else None


def add_bias_(images: Tensor, bias: Tensor) -> Tensor:
    """Add biases (r, channels) to images in place, a whole image at a time, since short rows are slow in bfloat16."""
    pixels = images.shape[2] * images.shape[3]
    images.flatten(2).add_(bias.repeat(1, pixels)[:, None])
    return images


def im2col(images: Tensor, kernel: int) -> Tensor:
    """Return the patch that each output sees, (r, n · h / 2 · w / 2, kernel · kernel · channels), with zeros outside."""
    pad = padding(kernel)
    padded = functional.pad(images, (0, 0, pad, pad, pad, pad))
    restarts, n, height, width, channels = _halved(images) + images.shape[-1:]
    s_restart, s_image, s_row, s_column, s_channel = padded.stride()
    if channels <= FEW_CHANNELS:
        shape = (restarts, kernel, kernel, channels, n, height, width)
        strides = (s_restart, s_row, s_column, s_channel, s_image, STRIDE * s_row, STRIDE * s_column)
        return padded.as_strided(shape, strides).reshape(restarts, kernel * kernel * channels, -1).transpose(1, 2)
    shape = (restarts, n, height, width, kernel, kernel * channels)
    strides = (s_restart, s_image, STRIDE * s_row, STRIDE * s_column, s_row, s_channel)
    return padded.as_strided(shape, strides).reshape(restarts, -1, kernel * kernel * channels)


def conv_transpose(images: Tensor, weight: Tensor) -> Tensor:
    """Apply a transposed convolution with a weight (r, inputs, kernel, kernel, outputs) of any memory strides."""
    taps = weight.shape[2] // STRIDE
    parts = weight.unflatten(3, (taps, STRIDE)).unflatten(2, (taps, STRIDE))
    blocks = _blocks_by_planes if weight.shape[-1] <= FEW_CHANNELS else _blocks_by_patches
    return _without_margin(blocks(images, parts, taps), padding(weight.shape[2]))


def _blocks_by_patches(images: Tensor, parts: Tensor, taps: int) -> Tensor:
    """Compute blocks of outputs (r, n, h', 2, w', 2, outputs), h' = h + taps − 1, in one matrix product.

    A block sees `taps` × `taps` inputs. The first of them is multiplied by the kernel's last rows and columns.
    """
    margin = taps - 1
    padded = functional.pad(images, (0, 0, margin, margin, margin, margin))
    restarts, n, tall, wide, channels = padded.shape
    tall, wide = tall - margin, wide - margin
    s_restart, s_image, s_row, s_column, s_channel = padded.stride()
    strides = (s_restart, s_image, s_row, s_column, s_row, s_channel)
    patches = padded.as_strided((restarts, n, tall, wide, taps, taps * channels), strides)
    patches = patches.reshape(restarts, -1, taps * taps * channels)
    phases = parts.flip(2, 4).permute(0, 2, 4, 1, 3, 5, 6).reshape(restarts, taps * taps * channels, -1)
    products = torch.bmm(patches, phases)
    return products.view(restarts, n, tall, wide, STRIDE, STRIDE, -1).transpose(3, 4)


def _blocks_by_planes(images: Tensor, parts: Tensor, taps: int) -> Tensor:
    """Compute blocks of outputs of a transposed convolution, as sums of shifted planes.

    The grid of inputs gets a margin of zeros on its far sides, so that a shift by a row or a column is one shift of the
    whole memory block.
    """
    margin = taps - 1
    padded = functional.pad(images, (0, 0, 0, margin, 0, margin))
    restarts, n, tall, wide, channels = padded.shape
    phases = parts.permute(0, 2, 4, 3, 5, 6, 1).reshape(restarts, -1, channels)
    products = torch.bmm(phases, padded.flatten(1, 3).transpose(1, 2)).unflatten(1, (taps, taps, -1))
    total = products[:, 0, 0].clone()
    length = total.shape[-1]
    for row in range(taps):
        for column in range(taps):
            if shift := row * wide + column:
                total[..., shift:] += products[:, row, column, :, : length - shift]
    return total.view(restarts, STRIDE, STRIDE, -1, n, tall, wide).permute(0, 4, 5, 1, 6, 2, 3)


def _without_margin(blocks: Tensor, margin: int) -> Tensor:
    """Assemble images from blocks (r, n, h', 2, w', 2, outputs), without `margin` pixels on every side; contiguous."""
    restarts, n, tall, _, wide, _, channels = blocks.shape
    whole = blocks.reshape(restarts, n, STRIDE * tall, STRIDE * wide, channels)
    return whole[:, :, margin : STRIDE * tall - margin, margin : STRIDE * wide - margin].contiguous()


def padding(kernel: int) -> int:
    """Return the width of the zero padding on every side of an image."""
    return (kernel - STRIDE) // 2


def _halved(images: Tensor) -> tuple[int, int, int, int]:
    restarts, n, height, width, _ = images.shape
    return restarts, n, height // STRIDE, width // STRIDE
