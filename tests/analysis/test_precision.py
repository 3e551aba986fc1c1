"""The precision budget against the thesis's numbers and cases with known answers."""

import numpy as np
import pytest

from perturb.analysis.precision import (
    EXAMPLE,
    cheapest_variances,
    column_product,
    largest_cosine,
    least_log_loss,
    minimised,
    stochastic_loss,
    turned,
    volume,
)


@pytest.mark.parametrize(("angle", "loss"), [(0.0, 2 * np.sqrt(50 * 3)), (45.0, 2 * np.sqrt(61 / 2 * 45 / 2))])
def test_the_example_has_the_loss_stated_in_the_thesis(angle: float, loss: float) -> None:
    decoder = turned(EXAMPLE, angle)
    assert stochastic_loss(decoder, cheapest_variances(decoder, 0.0)) == pytest.approx(loss)


def test_the_rotated_example_is_the_second_decoder_of_the_thesis() -> None:
    root = np.sqrt(2)
    printed = np.array([[3 * root / 2, 5 * root / 2], [-2 * root, -root], [3 * root, 2 * root]])
    np.testing.assert_allclose(turned(EXAMPLE, 45.0), printed)


def test_no_other_variances_within_the_budget_are_cheaper() -> None:
    rng, budget = np.random.default_rng(0), 3.0
    decoder = rng.normal(size=(5, 3))
    best = cheapest_variances(decoder, budget)
    assert -np.log(best).sum() == pytest.approx(budget)
    for _ in range(50):
        other = np.log(best) + rng.normal(size=3)
        other -= other.mean() + budget / 3
        assert stochastic_loss(decoder, np.exp(other)) >= stochastic_loss(decoder, best)


def test_the_column_product_equals_the_volume_for_orthogonal_columns_and_exceeds_it_otherwise() -> None:
    orthogonal = np.diag([3.0, 1.0, 0.5])
    assert column_product(orthogonal) == pytest.approx(volume(orthogonal)) == pytest.approx(1.5)
    assert largest_cosine(orthogonal) == 0.0
    assert column_product(EXAMPLE) > volume(EXAMPLE)
    assert volume(turned(EXAMPLE, 30.0)) == pytest.approx(volume(EXAMPLE))


def test_the_least_log_loss_of_a_diagonal_decoder_is_its_own() -> None:
    decoder = np.diag([2.0, 0.5])
    loss = np.log(stochastic_loss(decoder, cheapest_variances(decoder, 1.0)))
    assert least_log_loss(decoder[None], 1.0) == pytest.approx(loss)


@pytest.mark.parametrize("seed", range(3))
def test_every_start_converges_to_the_global_minimum_with_orthogonal_columns(seed: int) -> None:
    jacobians = np.random.default_rng(1).normal(size=(2, 4, 3))
    end = minimised(jacobians, 2.0, seed=seed)
    assert end.loss == pytest.approx(least_log_loss(jacobians, 2.0), abs=1e-8)
    assert end.cosine < 1e-3
