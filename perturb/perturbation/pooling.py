"""Images at the resolution of a coarse pattern: what is finer, a VAE learns late, when its axes are settled."""

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from perturb.perturbation.bounds import reflect_or_clip

COARSE = 8
"""Cells along each side."""


def cells_of(images: Float[Tensor, "n height width channels"]) -> Float[Tensor, "n cells pixels"]:
    """Images (n, height, width, channels) by cell, (n, 8 · 8 · channels, pixels of a cell)."""
    cell = images.shape[1] // COARSE
    parts = images.unflatten(1, (COARSE, cell)).unflatten(3, (COARSE, cell))
    return parts.permute(0, 1, 3, 5, 2, 4).flatten(4).flatten(1, 3)


def pooled(images: Float[Tensor, "n height width channels"]) -> Float[Tensor, "n cells"]:
    """Means of 8 × 8 cells, (n, 8 · 8 · channels), of images (n, height, width, channels), differentiable.

    They are multiplied by the side of a cell, so that the squared norm of what is constant in each cell is the image's own.
    """
    cells = cells_of(images)
    return cells.mean(dim=2) * math.isqrt(cells.shape[2])


def enlarged(pattern: Shaped[Tensor, "n size size channels"], side: int) -> Shaped[Tensor, "n {side} {side} channels"]:
    """A pattern (n, size, size, channels) with each of its values repeated until the image is `side` pixels high."""
    for axis in (1, 2):
        pattern = pattern.repeat_interleave(side // pattern.shape[axis], dim=axis)
    return pattern


class Movable:
    """Images that patterns will be added to again and again.

    Args:
        images: originals in [0, 1], (n, height, width, channels).
        epsilon: largest change of a pixel.
        bound: "reflect" or "clip".

    """

    def __init__(self, images: Tensor, *, epsilon: float, bound: str) -> None:
        self._images, self._cells = images, cells_of(images).contiguous()
        self._epsilon, self._bound = epsilon, bound

    def pooled(self, pattern: Tensor) -> Tensor:
        """`pooled` of the images moved by ε times a pattern δ in [-1, 1], (n, size, size, channels); differentiable in δ."""
        if pattern.shape[1] != COARSE:
            whole = enlarged(pattern, self._images.shape[1])
            return pooled(reflect_or_clip(self._images, whole, epsilon=self._epsilon, bound=self._bound))
        # A pattern of one value a cell: the derivative of a cell's mean is a number, and autograd need not walk all pixels.
        flat = pattern.flatten(1)
        with torch.no_grad():
            moved = self._cells + self._epsilon * flat[..., None]
            beyond = ((moved < 0) | (moved > 1)).sum(dim=2) / moved.shape[2]
            clipped = moved.clamp_(0, 1) if self._bound == "clip" else moved.abs_().neg_().add_(1).abs_().neg_().add_(1)
            value, slope = clipped.mean(dim=2), 1 - (1 if self._bound == "clip" else 2) * beyond
        step = slope * self._epsilon * flat
        return (value - step.detach() + step) * math.isqrt(self._cells.shape[2])
