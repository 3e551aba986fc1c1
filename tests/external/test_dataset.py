"""A benchmark variant as a torch Dataset: items, slices, loaders, splits and transforms."""

import os
import pickle
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from perturb.datasets import Mini
from perturb.datasets.hdf5.reader import BenchmarkFile, cache_of
from perturb.datasets.splits import SPLITS
from perturb.entries.packaged import recipe_hash
from perturb.errors import UserError
from perturb.external import load_benchmark


def test_an_item_is_an_image_between_0_and_1_and_its_factors() -> None:
    data = load_benchmark("mini")
    image, factors = data[-1]
    assert (len(data), data.image_shape, tuple(image.shape), image.dtype) == (4096, (3, 32, 32), (3, 32, 32), torch.float32)
    assert factors.tolist() == [7, 7, 7, 7] == data.factors[4095].tolist()
    expected = Mini().images(np.array([4095]))[0]
    assert np.array_equal((image * 255).round().byte().permute(1, 2, 0).numpy(), expected)
    assert (data.name, data.variant, data.epsilon, data.grid.names[0]) == ("mini", "original", 0.0, "floor_hue")
    with pytest.raises(IndexError):
        data[4096]


@pytest.mark.parametrize("part", [slice(0, 3), slice(-2, None), slice(10, 0, -4), slice(5, 5)])
def test_a_slice_is_the_list_of_its_items(part: slice) -> None:
    data = load_benchmark("mini")
    items, numbers = data[part], range(len(data))[part]
    assert len(items) == len(numbers)
    for (image, factors), number in zip(items, numbers, strict=True):
        assert torch.equal(image, data[number][0])
        assert torch.equal(factors, data[number][1])


def test_data_loader_workers_receive_the_path_and_no_pixels() -> None:
    data = load_benchmark("mini", "modified")
    assert len(pickle.dumps(data)) < 1_000
    images, factors = next(iter(DataLoader(data, batch_size=8, num_workers=1, multiprocessing_context="spawn")))
    assert torch.equal(images, data.batch(range(8)))
    assert torch.equal(factors, torch.from_numpy(data.factors[:8]))


def test_patterns_of_a_variant_have_different_images() -> None:
    assert len({load_benchmark("mini", "modified", pattern).sha256 for pattern in range(3)}) == 3
    with pytest.raises(UserError, match=r"^mini has the patterns 0 to 2 of the variant modified; got 3\.$"):
        load_benchmark("mini", "modified", 3)


def test_a_read_only_folder_can_be_read_without_a_cache(sprites: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert len(load_benchmark(sprites)) == 96
    assert not cache_of(sprites / "original.h5").exists()


def test_a_file_without_a_recipe_has_no_recipe_hash(sprites: Path) -> None:
    assert recipe_hash(BenchmarkFile(sprites / "original.h5")) is None


def test_splits_are_disjoint_and_have_the_same_images_in_every_variant() -> None:
    parts = {split: load_benchmark("mini", "noise", split=split) for split in SPLITS}
    numbers = np.concatenate([part.numbers for part in parts.values()])
    assert np.array_equal(np.sort(numbers), np.arange(4096))
    test, whole = parts["test"], load_benchmark("mini", "noise")
    assert torch.equal(test[3][0], whole[int(test.numbers[3])][0])
    assert torch.equal(test[3][1], torch.from_numpy(test.factors[3]))
    assert np.array_equal(load_benchmark("mini", "original", split="test").numbers, test.numbers)
    with pytest.raises(UserError, match=r"^split must be among train, valid, test; got validation"):
        load_benchmark("mini", split="validation")


def test_transforms_change_images_and_factors_in_loader_workers_too() -> None:
    plain = load_benchmark("mini", "noise", split="valid")
    data = load_benchmark("mini", "noise", split="valid", transform=torch.neg, target_transform=itemgetter(0))
    assert torch.equal(data[5][0], -plain[5][0])
    assert data[5][1] == int(plain[5][1][0])
    images, factors = next(iter(DataLoader(data, batch_size=4, num_workers=1, multiprocessing_context="spawn")))
    assert torch.equal(images, -torch.stack([image for image, _ in plain[:4]]))
    assert factors.tolist() == [int(target[0]) for _, target in plain[:4]]
