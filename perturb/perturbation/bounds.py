"""The bound ε: in the network's arithmetic, and in what is stored.

Thesis 4.3.1 prints the normalisation with x on its right side; the only reading that keeps [0, 1] is a mirror at 0 and at 1
of x′ = x + ε·δ. The mirror never moves a value away from x, so |x′ − x| ≤ ε still holds.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor


def reflect_or_clip(
    images: Float[Tensor, "*shape"], pattern: Float[Tensor, "*shape"], *, epsilon: float, bound: str
) -> Float[Tensor, "*shape"]:
    """x′ in [0, 1] from images in [0, 1] and a pattern δ in [-1, 1], all (n, height, width, channels); differentiable."""
    moved = images + epsilon * pattern
    if bound == "clip":
        return moved.clamp(0, 1)
    return moved - 2 * torch.relu(moved - 1) + 2 * torch.relu(-moved)


def quantise(
    moved: Float[np.ndarray, "*shape"], original: UInt8[np.ndarray, "*shape"], *, epsilon: float
) -> UInt8[np.ndarray, "*shape"]:
    """x′ in [0, 1] as uint8, so that |stored − original| ≤ ε · 255 for every pixel.

    Rounding could pass the bound by half a grey level; where it would, the last allowed level is stored.
    """
    reach = largest_step(epsilon)
    levels = np.rint(moved.astype(np.float32) * 255).astype(np.int16)
    original = original.astype(np.int16)
    return np.clip(levels, np.maximum(original - reach, 0), np.minimum(original + reach, 255)).astype(np.uint8)


def apply_pattern(
    images: UInt8[np.ndarray, "*shape"], pattern: Float32[np.ndarray, "*shape"], *, epsilon: float, bound: str
) -> UInt8[np.ndarray, "*shape"]:
    """Images moved by ε times a pattern, as they are stored, uint8 (n, height, width, channels).

    Args:
        images: originals, uint8.
        pattern: float32 in [-1, 1], same shape.
        epsilon: largest change, of pixels in [0, 1].
        bound: "reflect" or "clip".

    """
    moved = reflect_or_clip(torch.from_numpy(images).float() / 255, torch.from_numpy(pattern), epsilon=epsilon, bound=bound)
    return quantise(moved.numpy(), images, epsilon=epsilon)


def largest_step(epsilon: float) -> int:
    """The most grey levels that a stored pixel may move: ⌊255 ε⌋, with room for the binary rounding of ε itself."""
    return math.floor(255 * epsilon + 1e-9)
