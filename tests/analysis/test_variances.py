import numpy as np
import pytest

from perturb.analysis.variances import Variances, induced_variances
from perturb.datasets import FactorGrid
from perturb.datasets.pixels import Pixels

GRID = FactorGrid(("a", "b"), (4, 5))
A, B = GRID.factors_of(np.arange(20)).T


def _images(**pixels: np.ndarray) -> np.ndarray:
    """Images of 2 × 2 pixels, uint8 (20, 2, 2, 1), black but for pixels p0, p1, p2, p3."""
    images = np.zeros((20, 4), dtype=np.uint8)
    for name, values in pixels.items():
        images[:, int(name[1])] = values
    return images.reshape(20, 2, 2, 1)


def _found(
    original: np.ndarray, variant: np.ndarray, *, sample: int = 1000, seed: int = 0, grid: FactorGrid = GRID
) -> Variances:
    return induced_variances(Pixels(original), Pixels(variant), grid, sample=sample, seed=seed)


def test_additive_factors_induce_the_variances_of_their_pixels() -> None:
    original = _images(p0=51 * A, p1=25 * B)
    found = _found(original, original)
    first, second = found.factors
    assert (first.factor, second.factor) == GRID.names
    assert first.globally.original == pytest.approx(np.var(A) * (51 / 255) ** 2, rel=1e-5)
    assert second.globally.original == pytest.approx(np.var(B) * (25 / 255) ** 2, rel=1e-5)
    assert found.total.original == pytest.approx(first.globally.original + second.globally.original, rel=1e-5)
    assert first.locally.original == pytest.approx((51 / 255) ** 2, rel=1e-5)
    assert second.locally.original == pytest.approx((25 / 255) ** 2, rel=1e-5)
    assert found.share(first).original + found.share(second).original == pytest.approx(1, rel=1e-5)
    assert (found.images, found.whole_grid) == (20, True)


def test_an_unchanged_variant_has_no_perturbation() -> None:
    original = _images(p0=51 * A)
    found = _found(original, original)
    assert found.magnitude == found.total.perturbation == 0
    assert found.total.variant == found.total.original
    for factor in found.factors:
        assert factor.globally.perturbation == factor.locally.perturbation == 0
        assert found.share(factor).perturbation == 0


def test_a_constant_shift_has_a_magnitude_and_no_variance() -> None:
    original = _images(p0=51 * A)
    found = _found(original, original + np.uint8(51))
    assert found.magnitude == pytest.approx(4 * (51 / 255) ** 2, rel=1e-5)
    assert found.total.perturbation == pytest.approx(0, abs=1e-6)
    assert all(factor.locally.perturbation == pytest.approx(0, abs=1e-6) for factor in found.factors)


def test_a_change_by_both_factors_jointly_is_local_and_has_no_main_effect() -> None:
    original = _images(p0=51 * A)
    checkered = original + _images(p3=51 * ((A + B) % 2))
    grid_of_even_sizes = FactorGrid(("a", "b"), (4, 4))
    chosen = B < 4
    found = _found(original[chosen], checkered[chosen], grid=grid_of_even_sizes)
    for factor in found.factors:
        assert factor.globally.perturbation == pytest.approx(0, abs=1e-6)
        assert factor.locally.perturbation == pytest.approx((51 / 255) ** 2, rel=1e-5)
    assert found.total.perturbation == pytest.approx((51 / 255) ** 2 / 4, rel=1e-5)


def test_the_variances_of_the_variant_are_those_of_original_plus_pattern() -> None:
    original = _images(p0=51 * A, p1=25 * B)
    variant = original + _images(p0=10 * A, p2=30 * B)
    found = _found(original, variant)
    assert found.total.variant == pytest.approx(np.var(61 * A / 255) + np.var(25 * B / 255) + np.var(30 * B / 255), rel=1e-5)
    assert found.factors[0].globally.variant == pytest.approx(np.var(61 * A / 255), rel=1e-5)


def test_a_sample_estimates_the_values_of_the_whole_grid() -> None:
    grid = FactorGrid(("a", "b", "c"), (8, 8, 8))
    factors = grid.factors_of(np.arange(512))
    original = np.zeros((512, 4, 4, 1), dtype=np.uint8)
    original[:, 0, 0, 0], original[:, 1, 1, 0] = 30 * factors[:, 0], 10 * factors[:, 1]
    variant = original + np.random.default_rng(0).integers(20, size=original.shape, dtype=np.uint8)
    whole = _found(original, variant, grid=grid, sample=512)
    parts = [_found(original, variant, grid=grid, sample=256, seed=seed) for seed in range(12)]
    assert not any(part.whole_grid for part in parts)
    for k, factor in enumerate(whole.factors):
        main = np.mean([part.factors[k].globally.variant for part in parts])
        local = np.mean([part.factors[k].locally.variant for part in parts])
        assert main == pytest.approx(factor.globally.variant, rel=0.15, abs=0.0015)
        assert local == pytest.approx(factor.locally.variant, rel=0.1)
    assert np.mean([part.total.variant for part in parts]) == pytest.approx(whole.total.variant, rel=0.05)


def test_noise_has_no_main_effects_in_a_sample_either() -> None:
    grid = FactorGrid(("a", "b"), (40, 40))
    original = np.full((1600, 4, 4, 1), 100, dtype=np.uint8)
    variant = original + np.random.default_rng(0).integers(100, size=original.shape, dtype=np.uint8)
    found = _found(original, variant, grid=grid, sample=400)
    for factor in found.factors:
        # Without the correction, means over ten images each would keep a tenth of the variance.
        assert found.share(factor).perturbation < 0.03
        assert factor.locally.perturbation == pytest.approx(2 * found.total.perturbation, rel=0.1)


def test_steps_go_to_the_next_value_and_never_wrap_around() -> None:
    grid = FactorGrid(("one", "a", "b"), (1, 3, 2))
    factors = grid.factors_of(np.arange(6))
    original = np.zeros((6, 2, 2, 1), dtype=np.uint8)
    original[:, 0, 0, 0] = np.array([0, 51, 255])[factors[:, 1]]
    found = _found(original, original, grid=grid)
    assert [factor.locally.original for factor in found.factors] == pytest.approx([0, (0.2**2 + 0.8**2) / 2, 0], rel=1e-5)


def test_the_seed_determines_the_sample() -> None:
    original = np.random.default_rng(0).integers(256, size=(20, 2, 2, 1), dtype=np.uint8)
    first, again, other = (_found(original, 255 - original, sample=6, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_reported_progress_reaches_its_end() -> None:
    told = []

    class Listener:
        def report(self, done: int, total: int, note: str = "") -> None:
            told.append((done, total))

    original = _images(p0=A)
    induced_variances(Pixels(original), Pixels(original), GRID, sample=100, seed=0, progress=Listener())
    assert told[-1] == (20 + 2 * 15 + 2 * 16,) * 2
    assert sorted(told) == told
