"""Samples without a grid, in the forms that training accepts."""

import numpy as np
import pytest
import torch

from perturb.datasets.pixels import batch_of_each
from perturb.datasets.samples import Samples
from perturb.datasets.splits import SPLITS, numbers_in
from perturb.datasets.synthetic import SYNTHETIC, gaussian
from perturb.errors import UserError


def _vectors(n: int = 20) -> Samples:
    values = np.random.default_rng(0).normal(0, 7, (n, 3)).astype(np.float32)
    return Samples(values, np.arange(n, dtype=np.float64)[:, None])


def test_vectors_are_one_pixel_images_with_unchanged_values() -> None:
    samples, numbers = _vectors(), torch.tensor([[3, 3, 0], [19, 1, 2]])
    batch = samples.pixels.batch(numbers)
    assert (batch.shape, batch.dtype) == ((2, 3, 1, 1, 3), torch.float32)
    assert np.array_equal(batch.numpy()[:, :, 0, 0], samples.values[numbers.numpy()])
    assert (len(samples.pixels), samples.pixels.channels) == (20, 3)


def test_vectors_on_a_device_and_of_several_sets_give_the_same_batches() -> None:
    samples, numbers = _vectors(), torch.tensor([[4, 5], [6, 7]])
    expected = samples.pixels.batch(numbers)
    resident = samples.pixels.resident("cpu")
    assert torch.equal(resident.batch(numbers), expected)
    assert torch.equal(batch_of_each([samples.pixels, resident], numbers), expected)


def test_a_batch_is_a_copy() -> None:
    samples = _vectors()
    before = samples.values.copy()
    for pixels in (samples.pixels, samples.pixels.resident("cpu")):
        pixels.batch(torch.arange(20)).zero_()
        assert np.array_equal(pixels.batch(torch.arange(20)).numpy()[:, 0, 0], before)


def test_images_are_stored_as_bytes_and_drawn_between_0_and_1() -> None:
    images = np.random.default_rng(0).integers(256, size=(5, 28, 28, 1), dtype=np.uint8)
    batch = Samples(images, np.zeros(5, np.uint8)).pixels.batch(np.arange(5))
    assert batch.shape == (5, 28, 28, 1)
    assert torch.equal(batch, torch.from_numpy(images).float() / 255)


def test_parts_are_the_published_splits_with_their_known_labels() -> None:
    samples = _vectors()
    for split in SPLITS:
        part, numbers = samples.part(split), numbers_in(split, 20)
        assert np.array_equal(part.known[:, 0], numbers)
        assert np.array_equal(part.values, samples.values[numbers])
        assert part.grid.num_images == len(part) == {"train": 16, "valid": 2, "test": 2}[split]
    with pytest.raises(UserError, match=r"split must be among train, valid, test; got training \(did you mean train\?\)"):
        samples.part("training")


def test_a_synthetic_set_returns_its_sampled_factors_and_observations() -> None:
    made = SYNTHETIC["synthetic_nonlinear"]
    factors, observations = made.sample(3, 50)
    samples = made.samples(3, 50)
    assert np.array_equal(samples.values, observations)
    assert np.array_equal(samples.known, factors)


def test_a_gaussian_cloud_has_the_given_variances_along_rotated_axes() -> None:
    samples = gaussian((4.0, 1.0, 0.25), seed=2, n=20_000)
    assert (samples.values.dtype, samples.known.dtype) == (np.float32, np.float64)
    assert np.var(samples.known, axis=0) == pytest.approx([4.0, 1.0, 0.25], rel=0.05)
    axes = np.linalg.lstsq(samples.known, samples.values.astype(np.float64), rcond=None)[0]
    assert np.allclose(axes @ axes.T, np.eye(3), atol=1e-6)
    assert np.abs(np.abs(axes) - np.eye(3)).max() > 0.1, "the axes must be rotated"
    assert np.array_equal(samples.values, gaussian((4.0, 1.0, 0.25), seed=2, n=20_000).values)
    assert not np.array_equal(samples.values, gaussian((4.0, 1.0, 0.25), seed=3, n=20_000).values)
