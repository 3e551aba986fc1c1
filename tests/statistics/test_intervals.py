"""Intervals have the stated coverage, and p-values agree with them."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from perturb.statistics.intervals import (
    Estimate,
    holm,
    mean_of_draws,
    over_clusters,
    over_draws_and_seeds,
    over_methods,
)

REPETITIONS = 1_000
Draw = Callable[[np.random.Generator, int], np.ndarray]


def _normal(rng: np.random.Generator, clusters: int) -> np.ndarray:
    return rng.normal(size=clusters)


def _skewed(rng: np.random.Generator, clusters: int) -> np.ndarray:
    return rng.exponential(size=clusters) - 1


def _two_modes(rng: np.random.Generator, clusters: int) -> np.ndarray:
    centres = np.where(rng.random(clusters) < 0.3, -0.05, -0.5)
    return np.clip(rng.normal(centres, 0.08), -1, 1) + 0.365


def _coverage(draw: Callable[[np.random.Generator], Estimate]) -> float:
    """How often the interval contains the true value 0."""
    rng = np.random.default_rng(0)
    return float(np.mean([low <= 0 <= high for low, high in (draw(rng).interval for _ in range(REPETITIONS))]))


@pytest.mark.parametrize(
    ("draw", "clusters", "expected"),
    [
        (_normal, 3, 0.95), (_normal, 5, 0.95), (_normal, 10, 0.95),
        (_skewed, 3, 0.89), (_skewed, 5, 0.88), (_skewed, 10, 0.90),
        (_two_modes, 3, 0.85), (_two_modes, 5, 0.86), (_two_modes, 10, 0.94),
    ],
)  # fmt: skip
def test_the_interval_over_clusters_has_the_documented_coverage(draw: Draw, clusters: int, expected: float) -> None:
    found = _coverage(lambda rng: over_clusters(draw(rng, clusters)[None]))
    assert found == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("draws", "seeds", "spreads"),
    [
        (3, 10, (0.3, 1, 1)),
        (3, 10, (1, 1, 1)),
        (5, 3, (1, 0, 1)),
        (10, 10, (1, 1, 1)),
        (3, 10, (1, 0, 0)),
        (5, 10, (0, 1, 1)),
    ],
)
def test_the_interval_over_draws_and_seeds_has_about_the_nominal_coverage(
    draws: int, seeds: int, spreads: tuple[float, float, float]
) -> None:
    def drawn(rng: np.random.Generator) -> Estimate:
        shapes = (draws, 1), (1, seeds), (draws, seeds)
        table = sum(rng.normal(0, spread, shape) for spread, shape in zip(spreads, shapes, strict=True))
        return over_draws_and_seeds(table, np.zeros((1, seeds)))

    assert 0.92 <= _coverage(drawn) <= 0.995


def test_the_interval_of_two_sides_with_separate_draws_has_about_the_nominal_coverage() -> None:
    def drawn(rng: np.random.Generator) -> Estimate:
        shared = rng.normal(0, 2, (1, 6))
        sides = (shared + rng.normal(0, 1, (draws, 1)) + rng.normal(0, 1, (draws, 6)) for draws in (3, 5))
        return over_draws_and_seeds(*sides)

    assert 0.92 <= _coverage(drawn) <= 0.995


def test_one_methods_interval_and_p_equal_those_of_the_one_sample_t_test() -> None:
    sample = np.array([-0.4, -0.1, 0.0, 0.3, -0.35])
    found, expected = over_clusters(sample[None]), stats.ttest_1samp(sample, 0)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert (found.p, found.df) == (pytest.approx(expected.pvalue), 4)


@pytest.mark.parametrize(("mean", "p"), [(0.25, 0.0), (0.0, 1.0)])
def test_identical_differences_have_an_interval_of_zero_width(mean: float, p: float) -> None:
    found = over_clusters(np.full((1, 3), mean))
    assert (found.interval, found.p) == ((mean, mean), p)


def test_fewer_than_two_clusters_have_no_interval_and_no_p() -> None:
    found = over_clusters(np.array([[0.3]]))
    assert (found.mean, found.interval, found.p) == (0.3, (None, None), None)


def test_methods_that_lack_clusters_have_the_same_weight_as_the_others() -> None:
    found = over_clusters(np.array([[-0.3, -0.3, -0.5], [-0.1, -0.2, np.nan]]))
    assert found.mean == pytest.approx((-1.1 / 3 - 0.15) / 2)
    assert found.df == 2
    assert found.error > 0


def test_methods_whose_deviations_cancel_are_no_more_certain_than_independent_ones() -> None:
    deviation = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
    both = 0.05 + np.array([deviation, -deviation])
    together, each = over_clusters(both), [over_clusters(row[None]) for row in both]
    assert together.error == pytest.approx(0)
    found = over_methods(together, each)
    assert found.mean == together.mean
    assert found.error == pytest.approx(np.sqrt(2 * each[0].error ** 2) / 2)
    assert found.df == pytest.approx(8)
    assert found.p > 0.05


def test_deviations_shared_by_methods_stay_in_the_interval() -> None:
    deviation = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
    both = np.array([deviation, deviation])
    together = over_clusters(both)
    assert over_methods(together, [over_clusters(row[None]) for row in both]) == together


def test_the_interval_of_a_mean_over_independent_methods_has_about_the_nominal_coverage() -> None:
    def drawn(rng: np.random.Generator) -> Estimate:
        table = rng.normal(0, 1, (4, 5))
        return over_methods(over_clusters(table), [over_clusters(row[None]) for row in table])

    assert 0.94 <= _coverage(drawn) <= 0.995


def test_repeating_the_same_seeds_does_not_narrow_the_interval() -> None:
    of_seeds = np.random.default_rng(0).normal(size=(1, 10))
    repeated = over_draws_and_seeds(np.repeat(of_seeds, 5, axis=0), np.zeros((1, 10)))
    alone = over_draws_and_seeds(of_seeds, np.zeros((1, 10)))
    assert repeated.interval == pytest.approx(alone.interval)
    assert alone.interval == pytest.approx(over_clusters(of_seeds).interval)


def test_pairing_by_seed_cancels_the_shared_deviation() -> None:
    rng = np.random.default_rng(0)
    seeds = rng.normal(0, 5, (1, 10))
    first, second = seeds + 0.3 + rng.normal(0, 0.01, (3, 10)), seeds + rng.normal(0, 0.01, (2, 10))
    low, high = over_draws_and_seeds(first, second).interval
    assert 0.25 < low < 0.3 < high < 0.35


def test_missing_runs_are_skipped() -> None:
    scores = np.array([[0.2, np.nan, 0.4, 0.3], [np.nan, np.nan, np.nan, np.nan], [0.3, 0.1, np.nan, 0.2]])
    assert mean_of_draws(scores) == pytest.approx((0.3 + 0.2) / 2)
    low, high = over_draws_and_seeds(scores, np.zeros((1, 4))).interval
    assert low < 0.25 < high


def test_a_missing_run_that_the_others_predict_changes_no_error() -> None:
    whole = np.array([[0.1], [0.2], [0.4]]) + np.array([[0.0, 0.1, 0.3, 0.2]])
    part = whole.copy()
    part[1, 2] = np.nan
    errors = [over_draws_and_seeds(table, np.zeros((1, 4))).error for table in (whole, part)]
    assert errors[1] == pytest.approx(errors[0])


def test_fewer_than_two_seeds_have_no_interval_over_draws() -> None:
    assert over_draws_and_seeds(np.ones((3, 1)), np.zeros((1, 1))).interval == (None, None)
    lonely = np.array([[0.1, np.nan], [0.2, np.nan]])
    assert over_draws_and_seeds(lonely, np.zeros((1, 2))).interval == (None, None)


def test_holms_adjustment_matches_published_values() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []
