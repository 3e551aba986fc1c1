"""Images at the resolution of a coarse pattern: what is finer, a VAE learns late, when its axes are settled."""

import torch
from torch import Tensor

from perturb.perturbation.bounds import bounded

COARSE = 8
"""Cells along each side."""


def pooled(images: Tensor) -> Tensor:
    """Means of 8 × 8 cells, (n, values), of images (n, height, width, channels), differentiable.

    They are multiplied by the side of a cell, so that the squared norm of what is constant in each cell is the image's own.
    """
    cell = images.shape[1] // COARSE
    means = images.unflatten(1, (COARSE, cell)).unflatten(3, (COARSE, cell)).mean(dim=(2, 4))
    return means.flatten(1) * cell


def enlarged(pattern: Tensor, side: int) -> Tensor:
    """A pattern (n, size, size, channels) with each of its values repeated until the image is `side` pixels high."""
    for axis in (1, 2):
        pattern = pattern.repeat_interleave(side // pattern.shape[axis], dim=axis)
    return pattern


def pooled_moved(images: Tensor, pattern: Tensor, *, epsilon: float, bound: str) -> Tensor:
    """`pooled` of the images moved by ε times a pattern, (n, values), differentiable in the pattern.

    Args:
        images: originals in [0, 1], (n, height, width, channels).
        pattern: δ in [-1, 1], (n, size, size, channels).
        epsilon: largest change of a pixel.
        bound: "reflect" or "clip".

    """
    if pattern.shape[1] != COARSE:
        return pooled(bounded(images, enlarged(pattern, images.shape[1]), epsilon=epsilon, bound=bound))
    # A pattern of one value a cell: the derivative of a cell's mean is a number, and autograd need not walk all pixels.
    with torch.no_grad():
        moved = images + epsilon * enlarged(pattern, images.shape[1])
        outside = (moved - 0.5).abs_() > 0.5
        value = pooled(moved.clamp_(0, 1) if bound == "clip" else moved.abs_().neg_().add_(1).abs_().neg_().add_(1))
        slope = 1 - (1 if bound == "clip" else 2) * pooled(outside.float()) / (images.shape[1] // COARSE)
    step = slope * epsilon * pattern.flatten(1) * (images.shape[1] // COARSE)
    return value - step.detach() + step
