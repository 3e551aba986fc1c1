"""The root of all randomness: child seeds derived from an experiment's seed, a stage's name and an index.

A child seed depends only on its own path, so restart 7 draws the same numbers alone or among fifty.
"""

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def child_seed(seed: int, *path: str | int) -> int:
    """Return a seed in [0, 2^63) for the child at `path`: the first 63 bits of SHA-256 over the seed and the path."""
    text = json.dumps([seed, *path], ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, *path: str | int) -> np.random.Generator:
    """Return a NumPy generator (PCG64) seeded with the child seed."""
    return np.random.default_rng(child_seed(seed, *path))


def torch_generator(seed: int, *path: str | int) -> "torch.Generator":
    """Return a torch generator on the CPU (Mersenne Twister) seeded with the child seed."""
    import torch

    return torch.Generator().manual_seed(child_seed(seed, *path))


def some_of(count: int, most: int, generator: np.random.Generator) -> np.ndarray:
    """Draw at most `most` of the numbers below `count` without replacement, ascending, int64 (n,)."""
    return np.sort(generator.choice(count, min(most, count), replace=False))


def seed_globals(seed: int) -> None:
    """Seed the global generators that third-party code draws from: Python's, NumPy's legacy one, torch's on every device.

    perturb itself never draws from them.
    """
    import random

    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
