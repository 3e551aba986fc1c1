"""Fixed splits of a grid's images, the same for everybody: 80 % for training, 10 % for validation, 10 % for testing."""

from itertools import accumulate, pairwise

import numpy as np

from perturb.errors import UserError, not_among

SPLITS = {"train": 8, "valid": 1, "test": 1}
"""Tenths of the images in each split."""
KEY = 2021
"""Key of the counter-based generator that shuffles the images; another key would give other splits."""


def numbers_in(split: str, images: int) -> np.ndarray:
    """Return the numbers of the images in a split, int64 (n,), ascending.

    Image i gets the i-th 64-bit word of numpy's Philox with key 2021. Sorted by their words, the first 80 % of the images
    are `train`, the next 10 % `valid`, the last `test`. The words are the same in every version of numpy.

    Args:
        split: `train`, `valid` or `test`.
        images: total number of images.

    Raises:
        UserError: there is no such split.

    """
    if split not in SPLITS:
        raise UserError(f"split {not_among([split], SPLITS)}.")
    shuffled = np.argsort(np.random.Philox(key=KEY).random_raw(images), kind="stable")
    ends = [images * tenths // 10 for tenths in accumulate(SPLITS.values(), initial=0)]
    start, end = dict(zip(SPLITS, pairwise(ends), strict=True))[split]
    return np.sort(shuffled[start:end])
