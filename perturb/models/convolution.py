"""Convolutions of many restarts at once as batched matrix products of patches; nothing is ever scattered.

Kernels are 2 or 4, strides 2, and padding is what TensorFlow's SAME asks for: 1 for kernel 4, none for kernel 2. A
convolution gathers the patches that its outputs see. A transposed convolution is gathered too: each block of 2 × 2 outputs
depends on kernel / 2 inputs along each axis. Each is the other's gradient. Grouped convolutions would do the same, but their
backward pass is slow.

Images are (restarts, n, height, width, channels). With few channels, patches lie in memory plane by plane, so that copies
run along rows of an image and not along two or three numbers.
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
    """The tensors that `save_for_backward` was given."""
    needs_input_grad: tuple[bool, ...]
    """True for every argument of the forward pass whose gradient is asked for."""

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keep tensors for the backward pass."""
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
        """The images' gradient is a transposed convolution."""
        patches, weight = ctx.saved_tensors
        for_images, for_weight, for_bias = ctx.needs_input_grad
        of_images = conv_transpose(gradient, weight.permute(0, 4, 1, 2, 3)) if for_images else None
        of_weight = torch.bmm(patches.transpose(1, 2), gradient.flatten(1, 3)).view(weight.shape) if for_weight else None
        return of_images, of_weight, gradient.sum(dim=(1, 2, 3)) if for_bias else None


class ConvolveTransposed(torch.autograd.Function):
    """Images (r, n, h, w, inputs), weight (r, inputs, k, k, outputs), bias (r, outputs) → (r, n, 2 · h, 2 · w, outputs)."""

    @staticmethod
    def forward(ctx: Context, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Blocks of outputs from the inputs that reach them."""
        ctx.save_for_backward(images, weight)
        return add_bias_(conv_transpose(images, weight), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The images' gradient is a convolution."""
        images, weight = ctx.saved_tensors
        patches = im2col(gradient, weight.shape[2])
        for_images, for_weight, for_bias = ctx.needs_input_grad
        of_images = torch.bmm(patches, weight.flatten(2).transpose(1, 2)).view(images.shape) if for_images else None
        of_weight = torch.bmm(images.flatten(1, 3).transpose(1, 2), patches).view(weight.shape) if for_weight else None
        return of_images, of_weight, gradient.sum(dim=(1, 2, 3)) if for_bias else None


def add_bias_(images: Tensor, bias: Tensor) -> Tensor:
    """Add biases (r, channels) to images in place; a whole image at a time, since short rows are slow in bfloat16."""
    pixels = images.shape[2] * images.shape[3]
    images.flatten(2).add_(bias.repeat(1, pixels)[:, None])
    return images


def im2col(images: Tensor, kernel: int) -> Tensor:
    """Return what each output of a convolution sees: (r, n · h / 2 · w / 2, kernel · kernel · channels), zeros outside."""
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
    """Transposed convolution by a weight (r, inputs, kernel, kernel, outputs) of any strides."""
    taps = weight.shape[2] // STRIDE
    parts = weight.unflatten(3, (taps, STRIDE)).unflatten(2, (taps, STRIDE))
    blocks = _blocks_by_planes if weight.shape[-1] <= FEW_CHANNELS else _blocks_by_patches
    return _without_margin(blocks(images, parts, taps), padding(weight.shape[2]))


def _blocks_by_patches(images: Tensor, parts: Tensor, taps: int) -> Tensor:
    """Blocks of outputs (r, n, h', 2, w', 2, outputs), h' = h + taps − 1, one matrix product.

    A block sees `taps` × `taps` inputs, the nearest of which has the kernel's last rows and columns.
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
    """Output blocks of a transposed convolution, as sums of shifted planes.

    The grid of inputs gets a margin of zeros on its far sides, so that a shift by a row or a column is a shift of all of
    memory.
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
    """Images of blocks (r, n, h', 2, w', 2, outputs), `margin` pixels less on every side; contiguous."""
    restarts, n, tall, _, wide, _, channels = blocks.shape
    whole = blocks.reshape(restarts, n, STRIDE * tall, STRIDE * wide, channels)
    return whole[:, :, margin : STRIDE * tall - margin, margin : STRIDE * wide - margin].contiguous()


def padding(kernel: int) -> int:
    """Zeros on every side of an image."""
    return (kernel - STRIDE) // 2


def _halved(images: Tensor) -> tuple[int, int, int, int]:
    restarts, n, height, width, _ = images.shape
    return restarts, n, height // STRIDE, width // STRIDE
