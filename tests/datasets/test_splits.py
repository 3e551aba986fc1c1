"""The splits have the published image numbers on every machine."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from perturb.datasets.splits import SPLITS, numbers_in

PUBLISHED = {
    (4_096, "train"): "ce4f6b42fbebfa5d",
    (4_096, "valid"): "a307619e9aaffa42",
    (4_096, "test"): "a556f61fb0f6ffae",
    (737_280, "train"): "d9351822b3f41469",
    (737_280, "valid"): "44901f3ca45fafb6",
    (737_280, "test"): "1f05f74853701be9",
    (480_000, "train"): "ab179481f5dfd753",
    (480_000, "valid"): "6cbca70cc17cb418",
    (480_000, "test"): "8757814f77161bb7",
}
"""The first 16 digits of the SHA-256 of each split's numbers as little-endian int64; docs/files.md has them too."""
DOCUMENT = Path(__file__).parents[2] / "docs" / "files.md"


@pytest.mark.parametrize(("images", "split"), PUBLISHED)
def test_the_image_numbers_of_each_split_are_the_published_ones(images: int, split: str) -> None:
    found = hashlib.sha256(numbers_in(split, images).astype("<i8").tobytes()).hexdigest()
    assert found.startswith(PUBLISHED[images, split])
    assert f"{len(numbers_in(split, images)):,}: `{PUBLISHED[images, split]}…`" in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("images", [1, 7, 480, 4_096])
def test_every_image_is_in_exactly_one_split(images: int) -> None:
    parts = [numbers_in(split, images) for split in SPLITS]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(images))
    assert all(np.all(np.diff(part) > 0) for part in parts)
