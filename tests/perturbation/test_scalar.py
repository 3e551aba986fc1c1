import math

import numpy as np
import pytest

from perturb.datasets import FactorGrid
from perturb.perturbation import scalar as scalars
from perturb.perturbation.scalar import ScalarEffects, Scalars, effects_of, fewest_factors

GRID = FactorGrid(("a", "b", "c", "d"), (9, 9, 9, 1))


def _of(grid: FactorGrid, function: "callable") -> Scalars:
    """A scalar computed from the factors scaled to [-1, 1]."""
    return lambda numbers: function(*grid.scaled(numbers).astype(float).T)


@pytest.fixture(params=["exact", "estimated"])
def tolerance(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Tolerance of effects computed from the whole grid or estimated from a sample of it."""
    if request.param == "exact":
        return 1e-9
    monkeypatch.setattr(scalars, "EXACT", 1)
    return 0.04


def test_a_linear_scalar_has_effects_in_proportion_to_its_squared_weights(tolerance: float) -> None:
    found = effects_of(_of(GRID, lambda a, b, c, d: 3 * a + 2 * b - c + 7), GRID)
    expected = (9 / 14, 4 / 14, 1 / 14, 0)
    assert found.main == pytest.approx(expected, abs=tolerance)
    assert found.total == pytest.approx(expected, abs=tolerance)
    assert found.linear == pytest.approx(1)
    entropy = -sum(share * math.log(share) for share in expected if share)
    assert found.effective == pytest.approx(math.exp(entropy), abs=5 * tolerance)


def test_a_scalar_of_one_factor_follows_one_effective_factor(tolerance: float) -> None:
    found = effects_of(_of(GRID, lambda a, b, c, d: np.sin(3 * b)), GRID)
    assert found.main == pytest.approx((0, 1, 0, 0), abs=tolerance)
    assert found.effective == pytest.approx(1, abs=tolerance)


def test_a_product_has_an_interaction_and_no_main_effects(tolerance: float) -> None:
    found = effects_of(_of(GRID, lambda a, b, c, d: a * b), GRID)
    assert found.main == pytest.approx((0, 0, 0, 0), abs=tolerance)
    assert found.total == pytest.approx((1, 1, 0, 0), abs=tolerance)
    assert found.effective == pytest.approx(2, abs=5 * tolerance)
    assert found.linear == pytest.approx(0, abs=tolerance)


def test_equal_weights_have_as_many_effective_factors_as_weights() -> None:
    assert effects_of(_of(GRID, lambda a, b, c, d: a + b + c), GRID).effective == pytest.approx(3)


def test_a_constant_scalar_follows_no_factor() -> None:
    nothing = ScalarEffects(main=(0, 0, 0, 0), total=(0, 0, 0, 0), linear=0)
    assert effects_of(lambda numbers: np.full(len(numbers), 0.1, np.float32), GRID) == nothing
    assert nothing.effective == 0


def test_estimates_on_a_large_grid_are_deterministic() -> None:
    large = FactorGrid(("a", "b", "c"), (60, 50, 40))
    found = effects_of(_of(large, lambda a, b, c: a + b * c), large)
    assert found == effects_of(_of(large, lambda a, b, c: a + b * c), large)
    # On fine grids, the variance of a is 1/3 and that of the product is 1/9.
    assert found.main == pytest.approx((0.75, 0, 0), abs=0.04)
    assert found.total == pytest.approx((0.75, 0.25, 0.25), abs=0.04)


@pytest.mark.parametrize(
    ("sizes", "expected"), [((9,), 2 / 3), ((9, 1), 2 / 3), ((9, 9), 4 / 3), ((9, 9, 9), 2), ((3, 3, 3, 3, 3), 2)]
)
def test_the_required_number_of_factors_is_lower_on_small_grids(sizes: tuple[int, ...], expected: float) -> None:
    assert fewest_factors(2.0, FactorGrid(tuple("abcde"[: len(sizes)]), sizes)) == pytest.approx(expected)
