"""The bound ε, enforced in the network's arithmetic and in the stored images.

Thesis 4.3.1 prints the normalisation with x on its right-hand side. The only reading that stays in [0, 1] is to reflect
x′ = x + ε·δ at 0 and at 1. The reflection never moves a value away from x, so |x′ − x| ≤ ε still holds.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor


def reflect_or_clip(
    images: Float[Tensor, "*shape"], pattern: Float[Tensor, "*shape"], *, epsilon: float, bound: str
) -> Float[Tensor, "*shape"]:
    """Return x′ in [0, 1] for images in [0, 1] and a pattern δ in [-1, 1]; differentiable.

    All have the shape (n, height, width, channels).
    """
    moved = images + epsilon * pattern
    if bound == "clip":
        return moved.clamp(0, 1)
    return moved - 2 * torch.relu(moved - 1) + 2 * torch.relu(-moved)


def quantise(
    moved: Float[np.ndarray, "*shape"], original: UInt8[np.ndarray, "*shape"], *, epsilon: float
) -> UInt8[np.ndarray, "*shape"]:
    """Convert x′ in [0, 1] to uint8, such that |stored − original| ≤ ε · 255 for every pixel.

    Rounding could exceed the bound by half a grey level. In that case the last allowed level is stored.
    """
    reach = largest_step(epsilon)
    levels = np.rint(moved.astype(np.float32) * 255).astype(np.int16)
    original = original.astype(np.int16)
    return np.clip(levels, np.maximum(original - reach, 0), np.minimum(original + reach, 255)).astype(np.uint8)


def apply_pattern(
    images: UInt8[np.ndarray, "*shape"], pattern: Float32[np.ndarray, "*shape"], *, epsilon: float, bound: str
) -> UInt8[np.ndarray, "*shape"]:
    """Add ε times a pattern to images and return them as they are stored, uint8 (n, height, width, channels).

    Args:
        images: The original images, uint8.
        pattern: The pattern, float32 in [-1, 1], of the same shape.
        epsilon: Largest change of a pixel, for pixels in [0, 1].
        bound: "reflect" or "clip".

    """
    moved = reflect_or_clip(torch.from_numpy(images).float() / 255, torch.from_numpy(pattern), epsilon=epsilon, bound=bound)
    return quantise(moved.numpy(), images, epsilon=epsilon)


def largest_step(epsilon: float) -> int:
    """Return the maximum change of a stored pixel in grey levels: ⌊255 ε⌋, with tolerance for the rounding of ε itself."""
    return math.floor(255 * epsilon + 1e-9)
