"""The controls without structure: noise times ε, drawn once per image and stored; uniform (thesis 4.3.3) or of two values.

The generator is counter-based (Philox 4x64) and keyed by (seed, image number): any image can be drawn alone, in any order,
on any number of workers, and is the same.
"""

import numpy as np

PIXELS_PER_COUNTER = 16
"""A Philox counter gives four words of 64 bits; a pixel takes 16 bits, a 65,536th of the range."""


def uniform_noise(indices: np.ndarray, shape: tuple[int, int, int], *, seed: int) -> np.ndarray:
    """Noise in (-1, 1), float32 (n, height, width, channels), of image numbers (n,).

    Args:
        indices: image numbers; runs of consecutive ones are drawn in one go.
        shape: (height, width, channels), a multiple of 16 values in all.
        seed: in [0, 2^64).

    """
    return (_words(indices, shape, seed).astype(np.float32) + 0.5) / 32768 - 1


def two_valued_noise(indices: np.ndarray, shape: tuple[int, int, int], *, low: float, high: float, seed: int) -> np.ndarray:
    """Noise that is `low` or `high` with equal chance, float32 (n, height, width, channels); else as `uniform_noise`."""
    return np.where(_words(indices, shape, seed) < 1 << 15, np.float32(low), np.float32(high))


def _words(indices: np.ndarray, shape: tuple[int, int, int], seed: int) -> np.ndarray:
    """16 random bits for every value of the images, uint16 (n, height, width, channels)."""
    pixels = int(np.prod(shape))
    if pixels % PIXELS_PER_COUNTER:
        raise ValueError(f"`shape` must have a multiple of {PIXELS_PER_COUNTER} values, got {shape}.")
    indices = np.asarray(indices)
    runs = np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1) if len(indices) else []
    bits = [_bits(int(run[0]) * pixels, len(run) * pixels, seed) for run in runs]
    flat = np.concatenate(bits) if bits else np.empty(0, np.uint16)
    return flat.reshape(-1, *shape)


def _bits(first_pixel: int, num_pixels: int, seed: int) -> np.ndarray:
    """16 random bits for each pixel number from the first on, uint16 (num_pixels,)."""
    philox = np.random.Philox(key=seed, counter=first_pixel // PIXELS_PER_COUNTER)
    return philox.random_raw(num_pixels // 4).astype("<u8").view("<u2")
