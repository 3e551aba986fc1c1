from collections.abc import Iterator

import numpy as np
import pytest
import torch

from perturb.analysis.readout import FactorReadout, read_factors, split
from perturb.datasets import FactorGrid, Mini
from perturb.datasets.pixels import Pixels
from perturb.errors import UserError

SETTINGS = {"steps": 120, "batch_size": 32, "learning_rate": 3e-3, "held_out": 0.2, "seed": 0}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Use one thread: on a busy machine, thread synchronisation makes such small batches ten times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return Mini().images(np.arange(4096))


def _read(images: np.ndarray, grid: FactorGrid = Mini.grid, **changes: object) -> dict[str, FactorReadout]:
    return {found.factor: found for found in read_factors(Pixels(images), grid, **SETTINGS | changes)}


def test_factors_present_in_the_images_are_read_from_held_out_images(images: np.ndarray) -> None:
    found = _read(images)
    assert list(found) == list(Mini.grid.names)
    for readout in found.values():
        assert readout.accuracy > 0.95
        assert readout.chance < 0.2
        assert (readout.values, readout.n) == (8, 819)


def test_a_factor_that_is_painted_over_is_read_at_chance_level(images: np.ndarray) -> None:
    without_floor = images.copy()
    without_floor[:, 17:] = 0
    found = _read(without_floor)
    assert found["sky_hue"].accuracy > 0.9
    assert found["floor_hue"].accuracy < 0.2


def test_grey_images_of_64_pixels_can_be_read() -> None:
    grid = FactorGrid(("row", "column"), (2, 16))
    images = np.zeros((32, 64, 64, 1), dtype=np.uint8)
    for number, (row, column) in enumerate(grid.factors_of(np.arange(32))):
        images[number, 32 * row : 32 * row + 32, 4 * column : 4 * column + 4] = 255
    found = _read(images, grid, steps=40, held_out=0.1)
    assert [readout.values for readout in found.values()] == [2, 16]
    assert {readout.n for readout in found.values()} == {3}
    assert found["row"].accuracy == 1


def test_chance_is_the_share_of_the_most_frequent_value() -> None:
    grid = FactorGrid(("rare", "one"), (2, 10))
    found = _read(np.zeros((20, 32, 32, 1), dtype=np.uint8), grid, steps=1, held_out=0.5)
    training, testing = split(20, held_out=0.5, seed=0)
    counts = np.bincount(grid.factors_of(training)[:, 0])
    assert found["rare"].chance == pytest.approx((grid.factors_of(testing)[:, 0] == counts.argmax()).mean())


def test_the_same_seed_gives_the_same_readout(images: np.ndarray) -> None:
    torch.rand(7)
    first = _read(images, steps=15)
    torch.rand(3)
    assert _read(images, steps=15) == first
    assert _read(images, steps=15, seed=1) != first


def test_a_split_is_disjoint_and_holds_out_at_most_ten_thousand_images() -> None:
    training, testing = split(60_000, held_out=0.5, seed=0)
    assert (len(training), len(testing)) == (30_000, 10_000)
    assert not set(training) & set(testing)
    everything = np.concatenate(split(100, held_out=0.3, seed=0))
    assert sorted(everything) == list(range(100))


@pytest.mark.parametrize(("held_out", "count"), [(0.0, 0), (1.0, 20), (0.01, 0)])
def test_a_split_with_an_empty_part_is_refused(held_out: float, count: int) -> None:
    message = f"held_out must leave images on both sides of the split; {held_out:g} of 20 images is {count}."
    with pytest.raises(UserError) as caught:
        split(20, held_out=held_out, seed=0)
    assert str(caught.value) == message


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(UserError, match=r"from images of 64 × 64 or 32 × 32 or 28 × 28 or 1 × 1, these are 16 × 16\.$"):
        _read(np.zeros((32, 16, 16, 1), dtype=np.uint8), FactorGrid(("a", "b"), (4, 8)))


def test_every_step_is_reported(images: np.ndarray) -> None:
    told = []

    class Listener:
        def report(self, done: int, total: int, note: str = "") -> None:
            told.append((done, total))

    _read(images, steps=3, progress=Listener())
    assert told == [(1, 3), (2, 3), (3, 3)]
