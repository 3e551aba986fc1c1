"""Controls without structure: noise times ε, drawn once per image and stored. It is uniform (thesis 4.3.3) or two-valued.

The generator is counter-based (Philox 4x64) and keyed by (seed, image number). Any image's noise can be drawn on its own, in
any order and on any number of workers, always with the same result.
"""

import numpy as np

PIXELS_PER_COUNTER = 16
"""A Philox counter gives four 64-bit words, and a pixel takes 16 bits, a resolution of 1/65,536 of the range."""


def uniform_noise(indices: np.ndarray, shape: tuple[int, int, int], *, seed: int) -> np.ndarray:
    """Return noise in (-1, 1), float32 (n, height, width, channels), for image indices (n,).

    Args:
        indices: Image indices; runs of consecutive ones are drawn in one go.
        shape: Image shape (height, width, channels), whose number of values must be a multiple of 16.
        seed: Seed in [0, 2^64).

    """
    return (_words(indices, shape, seed).astype(np.float32) + 0.5) / 32768 - 1


def two_valued_noise(indices: np.ndarray, shape: tuple[int, int, int], *, low: float, high: float, seed: int) -> np.ndarray:
    """Return noise that is `low` or `high` with equal probability, float32 (n, height, width, channels).

    The other arguments are those of `uniform_noise`.
    """
    return np.where(_words(indices, shape, seed) < 1 << 15, np.float32(low), np.float32(high))


def _words(indices: np.ndarray, shape: tuple[int, int, int], seed: int) -> np.ndarray:
    """Return 16 random bits for every value of the images, uint16 (n, height, width, channels)."""
    pixels = int(np.prod(shape))
    if pixels % PIXELS_PER_COUNTER:
        raise ValueError(f"`shape` must have a multiple of {PIXELS_PER_COUNTER} values, got {shape}.")
    indices = np.asarray(indices)
    runs = np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1) if len(indices) else []
    bits = [_bits(int(run[0]) * pixels, len(run) * pixels, seed) for run in runs]
    flat = np.concatenate(bits) if bits else np.empty(0, np.uint16)
    return flat.reshape(-1, *shape)


def _bits(first_pixel: int, num_pixels: int, seed: int) -> np.ndarray:
    """Return 16 random bits for each of `num_pixels` consecutive pixel numbers, uint16 (num_pixels,)."""
    philox = np.random.Philox(key=seed, counter=first_pixel // PIXELS_PER_COUNTER)
    return philox.random_raw(num_pixels // 4).astype("<u8").view("<u2")
