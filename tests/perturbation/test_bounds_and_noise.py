import numpy as np
import pytest
import torch

from perturb.perturbation.bounds import largest_step, quantise, reflect_or_clip
from perturb.perturbation.noise import two_valued_noise, uniform_noise


@pytest.mark.parametrize(
    ("pixel", "pattern", "reflected", "clipped"),
    [(0.5, 1.0, 0.6, 0.6), (1.0, 1.0, 0.9, 1.0), (0.0, -1.0, 0.1, 0.0), (0.95, 1.0, 0.95, 1.0), (0.05, -0.5, 0.0, 0.0)],
)
def test_values_outside_the_image_range_are_reflected_or_clipped(
    pixel: float, pattern: float, reflected: float, clipped: float
) -> None:
    image, delta = torch.full((1, 1, 1, 1), pixel), torch.full((1, 1, 1, 1), pattern)
    assert reflect_or_clip(image, delta, epsilon=0.1, bound="reflect").item() == pytest.approx(reflected, abs=1e-6)
    assert reflect_or_clip(image, delta, epsilon=0.1, bound="clip").item() == pytest.approx(clipped, abs=1e-6)


@pytest.mark.parametrize("epsilon", [0.001, 0.1, 0.175, 0.5, 0.999])
@pytest.mark.parametrize("bound", ["reflect", "clip"])
def test_no_stored_value_moves_by_more_than_epsilon(epsilon: float, bound: str) -> None:
    original = np.tile(np.arange(256, dtype=np.uint8), 21)
    pattern = np.repeat(np.linspace(-1, 1, 21), 256)
    image, delta = torch.from_numpy(original).float() / 255, torch.from_numpy(pattern)
    moved = reflect_or_clip(image, delta, epsilon=epsilon, bound=bound)
    assert moved.min() >= 0
    assert moved.max() <= 1
    stored = quantise(moved.numpy(), original, epsilon=epsilon)
    assert np.abs(stored.astype(int) - original).max() <= 255 * epsilon
    assert np.abs(stored - 255 * moved.numpy()).max() <= 1 + 1e-3


def test_the_largest_step_is_epsilon_in_grey_levels_rounded_down() -> None:
    assert [largest_step(e) for e in (0.1, 0.175, 1 / 255, 0.2)] == [25, 44, 1, 51]


def test_an_images_noise_is_the_same_alone_in_a_block_and_in_any_order() -> None:
    shape = (8, 8, 3)
    block = uniform_noise(np.arange(100), shape, seed=5)
    assert np.array_equal(uniform_noise(np.array([42]), shape, seed=5)[0], block[42])
    shuffled = np.random.default_rng(0).permutation(100)
    assert np.array_equal(uniform_noise(shuffled, shape, seed=5), block[shuffled])
    assert not np.array_equal(uniform_noise(np.arange(100), shape, seed=6), block)


def test_noise_is_uniform_and_independent_between_images() -> None:
    noise = uniform_noise(np.arange(200), (16, 16, 1), seed=1).reshape(200, -1)
    assert noise.dtype == np.float32
    assert np.abs(noise).max() < 1
    assert noise.var() == pytest.approx(1 / 3, rel=0.01)
    counts = np.histogram(noise, 20, (-1, 1))[0]
    assert np.abs(counts / counts.mean() - 1).max() < 0.06
    assert abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 0.02


def test_two_valued_noise_has_both_values_equally_often_and_is_the_same_for_a_single_image() -> None:
    shape = (16, 16, 1)
    noise = two_valued_noise(np.arange(200), shape, low=-0.5, high=0.75, seed=1)
    assert noise.dtype == np.float32
    assert set(np.unique(noise)) == {np.float32(-0.5), np.float32(0.75)}
    assert (noise > 0).mean() == pytest.approx(0.5, abs=0.01)
    assert np.array_equal(two_valued_noise(np.array([42]), shape, low=-0.5, high=0.75, seed=1)[0], noise[42])
    assert abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 0.02


def test_noise_needs_a_multiple_of_16_values_per_image() -> None:
    with pytest.raises(ValueError, match=r"multiple of 16 values, got \(3, 3, 1\)"):
        uniform_noise(np.arange(2), (3, 3, 1), seed=0)


def test_noise_of_no_images_is_empty() -> None:
    assert uniform_noise(np.arange(0), (4, 4, 1), seed=0).shape == (0, 4, 4, 1)
