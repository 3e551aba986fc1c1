"""Images at the resolution of a coarse pattern: a VAE learns finer details only late, when its axes have settled."""

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from perturb.perturbation.bounds import reflect_or_clip

COARSE = 8
"""Number of cells along each side."""


def cells_of(images: Float[Tensor, "n height width channels"]) -> Float[Tensor, "n cells pixels"]:
    """Group the pixels of images (n, height, width, channels) by cell, (n, 8 · 8 · channels, pixels of a cell)."""
    cell = images.shape[1] // COARSE
    parts = images.unflatten(1, (COARSE, cell)).unflatten(3, (COARSE, cell))
    return parts.permute(0, 1, 3, 5, 2, 4).flatten(4).flatten(1, 3)


def pooled(images: Float[Tensor, "n height width channels"]) -> Float[Tensor, "n cells"]:
    """Average images (n, height, width, channels) over 8 × 8 cells, (n, 8 · 8 · channels); differentiable.

    The means are multiplied by the side of a cell. An image that is constant in each cell thus keeps its squared norm.
    """
    cells = cells_of(images)
    return cells.mean(dim=2) * math.isqrt(cells.shape[2])


def enlarged(pattern: Shaped[Tensor, "n size size channels"], side: int) -> Shaped[Tensor, "n {side} {side} channels"]:
    """Enlarge a pattern (n, size, size, channels) to `side` pixels by repeating each of its values."""
    for axis in (1, 2):
        pattern = pattern.repeat_interleave(side // pattern.shape[axis], dim=axis)
    return pattern


class Movable:
    """Images to which many different patterns will be added.

    Args:
        images: The original images in [0, 1], (n, height, width, channels).
        epsilon: Largest change of a pixel.
        bound: "reflect" or "clip".

    """

    def __init__(self, images: Tensor, *, epsilon: float, bound: str) -> None:
        self._images, self._cells = images, cells_of(images).contiguous()
        self._epsilon, self._bound = epsilon, bound

    def pooled(self, pattern: Tensor) -> Tensor:
        """Add ε times a pattern δ in [-1, 1], (n, size, size, channels), and pool the images; differentiable in δ."""
        if pattern.shape[1] != COARSE:
            whole = enlarged(pattern, self._images.shape[1])
            return pooled(reflect_or_clip(self._images, whole, epsilon=self._epsilon, bound=self._bound))
        # With one value per cell, the derivative of a cell's mean is a single number, so autograd need not visit all pixels.
        flat = pattern.flatten(1)
        with torch.no_grad():
            moved = self._cells + self._epsilon * flat[..., None]
            beyond = ((moved < 0) | (moved > 1)).sum(dim=2) / moved.shape[2]
            clipped = moved.clamp_(0, 1) if self._bound == "clip" else moved.abs_().neg_().add_(1).abs_().neg_().add_(1)
            value, slope = clipped.mean(dim=2), 1 - (1 if self._bound == "clip" else 2) * beyond
        step = slope * self._epsilon * flat
        return (value - step.detach() + step) * math.isqrt(self._cells.shape[2])
