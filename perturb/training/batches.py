"""From pixels on the disk to batches for a network."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class Pixels:
    """All images of a dataset, memory-mapped, uint8 (n, height, width, channels)."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    @classmethod
    def open(cls, path: Path) -> "Pixels":
        """Map a `.npy` file; nothing is loaded before it is asked for."""
        return cls(np.load(path, mmap_mode="r", allow_pickle=False))

    def __len__(self) -> int:
        return len(self.array)

    @property
    def channels(self) -> int:
        """Of an image."""
        return self.array.shape[-1]

    def batch(self, indices: Tensor | np.ndarray, *, device: torch.device | str = "cpu") -> Tensor:
        """Images by number, of any shape (...), as float32 (..., height, width, channels) in [0, 1]."""
        numbers = indices.cpu().numpy() if isinstance(indices, Tensor) else indices
        return torch.from_numpy(self.array[numbers]).to(device).float().div_(255)
