"""All randomness starts here: child seeds from an experiment's seed, a stage's name and an index.

A child depends on its own path only, so restart 7 draws the same numbers alone as among fifty.
"""

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def child_seed(seed: int, *path: str | int) -> int:
    """A seed in [0, 2^63) for the child at `path`: the first 63 bits of SHA-256 over the seed and the path."""
    text = json.dumps([seed, *path], ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, *path: str | int) -> np.random.Generator:
    """A NumPy generator (PCG64) seeded with the child seed."""
    return np.random.default_rng(child_seed(seed, *path))


def torch_generator(seed: int, *path: str | int) -> "torch.Generator":
    """A torch generator on the CPU (Mersenne Twister) seeded with the child seed."""
    import torch

    return torch.Generator().manual_seed(child_seed(seed, *path))


def some_of(count: int, most: int, generator: np.random.Generator) -> np.ndarray:
    """Draw at most `most` of the numbers below `count` without replacement, ascending, int64 (n,)."""
    return np.sort(generator.choice(count, min(most, count), replace=False))


def seed_globals(seed: int) -> None:
    """Seed the generators that other people's code draws from: Python's, NumPy's old one, torch's on every device.

    Nothing of perturb draws from them.
    """
    import random

    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
