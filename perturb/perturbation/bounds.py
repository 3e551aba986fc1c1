"""The bound ε: in the network's arithmetic, and in what is stored.

Thesis 4.3.1 prints the normalisation with x on its right side; the only reading that keeps [0, 1] is a mirror at 0 and at 1
of x′ = x + ε·δ. The mirror never moves a value away from x, so |x′ − x| ≤ ε still holds.
"""

import math

import numpy as np
import torch
from torch import Tensor


def bounded(images: Tensor, pattern: Tensor, *, epsilon: float, bound: str) -> Tensor:
    """x′ in [0, 1] from images in [0, 1] and a pattern δ in [-1, 1], all (n, height, width, channels); differentiable."""
    moved = images + epsilon * pattern
    if bound == "clip":
        return moved.clamp(0, 1)
    return moved - 2 * torch.relu(moved - 1) + 2 * torch.relu(-moved)


def quantised(moved: np.ndarray, original: np.ndarray, *, epsilon: float) -> np.ndarray:
    """x′ in [0, 1] as uint8, so that |stored − original| ≤ ε · 255 for every pixel.

    Rounding could pass the bound by half a grey level; where it would, the last allowed level is stored.
    """
    reach = largest_step(epsilon)
    levels = np.rint(moved.astype(np.float32) * 255).astype(np.int16)
    original = original.astype(np.int16)
    return np.clip(levels, np.maximum(original - reach, 0), np.minimum(original + reach, 255)).astype(np.uint8)


def shifted(images: np.ndarray, pattern: np.ndarray, *, epsilon: float, bound: str) -> np.ndarray:
    """Images moved by ε times a pattern, as they are stored, uint8 (n, height, width, channels).

    Args:
        images: originals, uint8.
        pattern: float32 in [-1, 1], same shape.
        epsilon: largest change, of pixels in [0, 1].
        bound: "reflect" or "clip".

    """
    moved = bounded(torch.from_numpy(images).float() / 255, torch.from_numpy(pattern), epsilon=epsilon, bound=bound)
    return quantised(moved.numpy(), images, epsilon=epsilon)


def largest_step(epsilon: float) -> int:
    """The most grey levels that a stored pixel may move: ⌊255 ε⌋, with room for the binary rounding of ε itself."""
    return math.floor(255 * epsilon + 1e-9)
