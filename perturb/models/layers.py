"""Layers that hold many restarts at once: the first axis of every weight and of every activation is the restart.

Activations are (restarts, n, features) or, channels last, (restarts, n, height, width, channels). Kernels are 2 or 4,
strides 2, and outputs half or double the input, as TensorFlow's SAME padding has it. A convolution is then a batched matrix
product of patches, and a transposed convolution the overlapping sum of one; each is the other's gradient. Grouped
convolutions would do the same, but their backward pass is slow. One restart on a CPU takes oneDNN's convolutions, which are
faster there (but for a single output channel), without their bias: its gradient alone would take as long as all the rest.

Weights are float32; they are used in the precision of the activations.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 2


class Linear(nn.Module):
    """(restarts, n, inputs) → (restarts, n, outputs)."""

    def __init__(self, restarts: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(restarts, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(restarts, outputs))
        self.fans = inputs, outputs

    def forward(self, features: Tensor) -> Tensor:
        """Affine in every restart."""
        return _affine(features, self.weight, self.bias)


class Conv(nn.Module):
    """(restarts, n, height, width, inputs) → (restarts, n, height / 2, width / 2, outputs)."""

    def __init__(self, restarts: int, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(restarts, kernel, kernel, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(restarts, outputs))
        self.fans = kernel * kernel * inputs, kernel * kernel * outputs

    def forward(self, images: Tensor) -> Tensor:
        """Convolve every restart's images with its own kernel."""
        kernel = self.weight.shape[1]
        if _suits_onednn(images):
            weight = self.weight[0].to(images.dtype).permute(3, 2, 0, 1)
            found = functional.conv2d(_channels_first(images), weight, stride=STRIDE, padding=_padding(kernel))
            return _channels_last(found.add_(self.bias[0].to(found.dtype)[:, None, None]))
        patches = Patches.apply(images, kernel)
        return _affine(patches.flatten(4), self.weight.flatten(1, 3), self.bias)


class Deconv(nn.Module):
    """(restarts, n, height, width, inputs) → (restarts, n, 2 · height, 2 · width, outputs); kernel 4."""

    def __init__(self, restarts: int, inputs: int, outputs: int, kernel: int = 4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(restarts, inputs, kernel, kernel, outputs))
        self.bias = nn.Parameter(torch.empty(restarts, outputs))
        self.fans = kernel * kernel * inputs, kernel * kernel * outputs

    def forward(self, images: Tensor) -> Tensor:
        """Convolve, transposed, every restart's images with its own kernel."""
        kernel, weight = self.weight.shape[2], self.weight.to(images.dtype)
        if _suits_onednn(images) and weight.shape[-1] > 1:
            weight = weight[0].permute(0, 3, 1, 2)
            found = functional.conv_transpose2d(_channels_first(images), weight, stride=STRIDE, padding=_padding(kernel))
            return _channels_last(found.add_(self.bias[0].to(found.dtype)[:, None, None]))
        products = torch.bmm(images.flatten(1, 3), weight.flatten(2))
        patches = products.view(*images.shape[:4], kernel, kernel, -1)
        return OverlapAdd.apply(patches, kernel).add_(self.bias.to(images.dtype)[:, None, None, None])


class Patches(torch.autograd.Function):
    """What each output of a convolution sees: (r, n, h, w, c) → (r, n, h / 2, w / 2, kernel, kernel, c), zeros outside."""

    @staticmethod
    def forward(ctx: object, images: Tensor, kernel: int) -> Tensor:
        """Gather."""
        ctx.kernel = kernel
        return _patches(images, kernel)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        """Scatter."""
        return OverlapAdd.apply(gradient, ctx.kernel), None


class OverlapAdd(torch.autograd.Function):
    """The transpose of Patches: (r, n, h, w, kernel, kernel, c) → (r, n, 2 h, 2 w, c), patches added where they overlap."""

    @staticmethod
    def forward(ctx: object, patches: Tensor, kernel: int) -> Tensor:
        """Scatter."""
        ctx.kernel = kernel
        return _overlap_add(patches, kernel)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        """Gather."""
        return Patches.apply(gradient, ctx.kernel), None


def _patches(images: Tensor, kernel: int) -> Tensor:
    pad = _padding(kernel)
    padded = functional.pad(images, (0, 0, pad, pad, pad, pad))
    windows = padded.unfold(2, kernel, STRIDE).unfold(3, kernel, STRIDE)
    return windows.permute(0, 1, 2, 3, 5, 6, 4).contiguous()


def _overlap_add(patches: Tensor, kernel: int) -> Tensor:
    """Seen in blocks of 2 × 2 outputs, a patch of 4 × 4 covers 2 × 2 blocks: so many strided additions."""
    restarts, n, height, width, _, _, channels = patches.shape
    blocks, pad = kernel // STRIDE, _padding(kernel)
    tall, wide = height + blocks - 1, width + blocks - 1
    parts = patches.view(restarts, n, height, width, blocks, STRIDE, blocks, STRIDE, channels)
    if channels > 1:
        total = patches.new_zeros(restarts, n, tall, STRIDE, wide, STRIDE, channels)
    else:
        # Rows last in memory: additions of whole rows, not of two numbers at a time.
        parts = parts.permute(0, 4, 5, 6, 7, 8, 1, 2, 3).contiguous().permute(0, 6, 7, 8, 1, 2, 3, 4, 5)
        total = patches.new_zeros(restarts, STRIDE, STRIDE, channels, n, tall, wide).permute(0, 4, 5, 1, 6, 2, 3)
    for row in range(blocks):
        for column in range(blocks):
            part = parts[:, :, :, :, row, :, column].permute(0, 1, 2, 4, 3, 5, 6)
            total[:, :, row : row + height, :, column : column + width] += part
    whole = total.reshape(restarts, n, STRIDE * tall, STRIDE * wide, channels)
    return whole[:, :, pad : STRIDE * tall - pad, pad : STRIDE * wide - pad].contiguous()


def _affine(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Features (restarts, ..., inputs) times weights (restarts, inputs, outputs), plus biases (restarts, outputs)."""
    weight, bias = weight.to(features.dtype), bias.to(features.dtype)
    inner = features.shape[1:-1]
    return torch.baddbmm(bias[:, None], features.flatten(1, -2), weight).unflatten(1, inner)


def _suits_onednn(images: Tensor) -> bool:
    return images.device.type == "cpu" and len(images) == 1


def _channels_first(images: Tensor) -> Tensor:
    """The only restart's images as torch wants them, the memory untouched."""
    return images[0].permute(0, 3, 1, 2)


def _channels_last(images: Tensor) -> Tensor:
    return images.permute(0, 2, 3, 1).unsqueeze(0)


def _padding(kernel: int) -> int:
    return (kernel - STRIDE) // 2
