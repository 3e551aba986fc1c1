"""The search for β with a known pruning threshold."""

from math import sqrt

import pytest

from perturb.analysis.beta_ladder import Bracket, bracketed, rungs, same_order


@pytest.mark.parametrize("threshold", [0.07, 1.5, 6.0, 100.0])
@pytest.mark.parametrize("halvings", [0, 1, 3])
def test_the_bracket_contains_the_threshold_and_has_the_requested_width(threshold: float, halvings: int) -> None:
    tried: list[float] = []

    def pruned(beta: float) -> bool:
        tried.append(beta)
        return beta >= threshold

    found = bracketed(pruned, 1.0, step=2.0, most=12, halvings=halvings)
    assert found.low is not None
    assert found.high is not None
    assert found.low < threshold <= found.high
    assert found.high / found.low == pytest.approx(2 ** (1 / 2**halvings))
    assert len(tried) == len(set(tried))


def test_a_threshold_exactly_at_a_tried_beta_counts_as_pruned_there() -> None:
    assert bracketed(lambda beta: beta >= 4.0, 1.0, step=2.0, most=12, halvings=1) == Bracket(sqrt(8.0), 4.0)


def test_a_side_not_reached_within_the_allowed_steps_is_none() -> None:
    assert bracketed(lambda _: False, 1.0, step=2.0, most=3, halvings=1) == Bracket(4.0, None)
    assert bracketed(lambda _: True, 1.0, step=2.0, most=3, halvings=1) == Bracket(None, 0.25)


def test_further_betas_follow_the_last_one() -> None:
    assert list(rungs(4.0, step=0.5, count=2)) == [2.0, 1.0]
    assert list(rungs(4.0, step=2.0, count=0)) == []


def test_values_have_the_same_order_of_magnitude_within_a_factor_of_the_square_root_of_ten() -> None:
    assert same_order(1.0, 3.16)
    assert same_order(3.16, 1.0)
    assert not same_order(1.0, 3.17)
