import numpy as np
import pytest

from perturb.evaluation.bootstrap import crossed_interval, mean_of_draws

REPETITIONS = 300


def _coverage(*, draws: int, between: float, seeds: float, within: float) -> float:
    """How often the interval of a true 0 holds it, of ten seeds and standard deviations of the three parts."""
    hits = 0
    for repetition in range(REPETITIONS):
        rng = np.random.default_rng(repetition)
        parts = [(between, (draws, 1)), (seeds, (1, 10)), (within, (draws, 10))]
        scores = sum(rng.normal(0, spread, shape) for spread, shape in parts)
        low, high = crossed_interval(scores, np.zeros((1, 10)), resamples=200, seed=repetition)
        hits += low <= 0 <= high
    return hits / REPETITIONS


@pytest.mark.parametrize(
    ("parts", "least", "most"),
    [
        ({"draws": 3, "between": 0.0, "seeds": 1.0, "within": 1.0}, 0.90, 0.99),
        ({"draws": 3, "between": 0.3, "seeds": 1.0, "within": 1.0}, 0.88, 0.98),
        ({"draws": 3, "between": 1.0, "seeds": 0.0, "within": 1.0}, 0.74, 0.88),
        ({"draws": 3, "between": 1.0, "seeds": 0.0, "within": 0.0}, 0.65, 0.80),
        ({"draws": 10, "between": 1.0, "seeds": 1.0, "within": 1.0}, 0.88, 0.97),
    ],
    ids=["seeds-alone", "draws-little", "draws-as-much-as-runs", "draws-alone", "ten-draws"],
)
def test_the_interval_holds_the_truth_as_often_as_its_docstring_says(
    parts: dict[str, float], least: float, most: float
) -> None:
    assert least <= _coverage(**parts) <= most


def test_shared_seeds_do_not_pass_for_independent_ones() -> None:
    of_seeds = np.random.default_rng(0).normal(size=(1, 10))
    low, high = crossed_interval(np.repeat(of_seeds, 5, axis=0), np.zeros((1, 10)), resamples=4000, seed=0)
    alone = crossed_interval(of_seeds, np.zeros((1, 10)), resamples=4000, seed=0)
    assert (low, high) == pytest.approx(alone, abs=0.03)


def test_a_pair_of_seeds_cancels_what_they_share() -> None:
    rng = np.random.default_rng(0)
    seeds = rng.normal(0, 5, (1, 10))
    first, second = seeds + 0.3 + rng.normal(0, 0.01, (3, 10)), seeds + rng.normal(0, 0.01, (2, 10))
    low, high = crossed_interval(first, second, resamples=1000, seed=0)
    assert 0.28 < low < 0.3 < high < 0.32


def test_missing_runs_are_passed_over() -> None:
    scores = np.array([[0.2, np.nan, 0.4, 0.3], [np.nan, np.nan, np.nan, np.nan], [0.3, 0.1, np.nan, 0.2]])
    assert mean_of_draws(scores) == pytest.approx((0.3 + 0.2) / 2)
    low, high = crossed_interval(scores, np.zeros((1, 4)), resamples=2000, seed=0)
    assert 0.1 <= low < 0.25 < high <= 0.4


def test_below_two_seeds_there_is_no_interval() -> None:
    assert crossed_interval(np.ones((3, 1)), np.zeros((1, 1)), resamples=100, seed=0) == (None, None)
    lonely = np.array([[0.1, np.nan], [0.2, np.nan]])
    assert crossed_interval(lonely, np.zeros((1, 2)), resamples=100, seed=0) == (None, None)


def test_the_interval_is_that_of_its_seed() -> None:
    scores = np.random.default_rng(0).normal(size=(3, 10))
    first, again, other = (crossed_interval(scores, np.zeros((1, 10)), resamples=200, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
