import itertools
from dataclasses import replace

import numpy as np
import pytest
from made_scores import made_scores

from perturb.evaluation.bootstrap import paired_interval
from perturb.evaluation.statistics import Row, Score, compare, pooled, summarise

SETTINGS = {"resamples": 200, "seed": 0}


def _rows(*scores: list[Score]) -> dict[tuple[str, str], Row]:
    rows = summarise([score for group in scores for score in group], ["mig"], **SETTINGS)
    return {(row.method, row.variant): row for row in rows}


def test_mean_and_sample_deviation_by_hand() -> None:
    row = _rows(made_scores("AE", "original", 0.2, 0.4, 0.9))["AE", "original"]
    assert row.mean == pytest.approx(0.5)
    assert row.std == pytest.approx(0.13**0.5)
    assert (row.n, row.failed, row.over_pruned) == (3, 0, 0)


def test_the_original_is_not_compared_with_itself() -> None:
    row = _rows(made_scores("AE", "original", 0.2, 0.4))["AE", "original"]
    assert (row.difference, row.ci_low, row.ci_high) == (None, None, None)


def test_one_run_has_a_mean_and_no_deviation() -> None:
    row = _rows(made_scores("AE", "original", 0.2, None))["AE", "original"]
    assert (row.mean, row.std, row.n, row.failed) == (0.2, None, 1, 1)


def test_failed_runs_are_counted_and_left_out_of_the_mean() -> None:
    row = _rows(made_scores("AE", "original", 0.2, None, 0.4, None))["AE", "original"]
    assert row.mean == pytest.approx(0.3)
    assert row.std == pytest.approx(0.02**0.5)
    assert (row.n, row.failed) == (2, 2)


def test_over_pruned_runs_are_counted_and_stay_in_the_mean() -> None:
    row = _rows(made_scores("AE", "original", 0.2, 0.6, 0.1, None, pruned=(0, 3, 1, 2)))["AE", "original"]
    assert row.mean == pytest.approx(0.3)
    assert (row.n, row.over_pruned) == (3, 2)


def test_a_method_all_of_whose_runs_failed_has_no_numbers() -> None:
    rows = _rows(made_scores("AE", "original", None, None), made_scores("AE", "noise", None, None))
    for row in rows.values():
        assert (row.mean, row.std, row.difference, row.ci_low, row.ci_high) == (None,) * 5
        assert (row.n, row.failed) == (0, 2)


def test_a_variant_whose_original_failed_has_a_mean_and_no_difference() -> None:
    row = _rows(made_scores("AE", "original", None, None), made_scores("AE", "noise", 0.1, 0.3))["AE", "noise"]
    assert row.mean == pytest.approx(0.2)
    assert (row.difference, row.ci_low, row.ci_high) == (None, None, None)


def test_differences_are_those_of_equal_seeds() -> None:
    rows = _rows(made_scores("AE", "original", 0.1, 0.5, 0.9), made_scores("AE", "modified", 0.0, 0.4, 0.8))
    row = rows["AE", "modified"]
    assert row.difference == pytest.approx(-0.1)
    assert row.ci_low == pytest.approx(-0.1)
    assert row.ci_high == pytest.approx(-0.1)


def test_the_order_of_the_runs_does_not_change_the_pairs() -> None:
    scores = made_scores("AE", "original", 0.1, 0.5, 0.9) + made_scores("AE", "modified", 0.0, 0.5, 0.2)
    mixed = [scores[i] for i in (2, 0, 1, 4, 5, 3)]
    for one, other in zip(summarise(scores, ["mig"], **SETTINGS), summarise(mixed, ["mig"], **SETTINGS), strict=True):
        assert other.difference == one.difference
        assert (other.ci_low, other.ci_high) == (one.ci_low, one.ci_high)
        assert other.mean == pytest.approx(one.mean)


def test_a_pair_with_a_failed_half_is_dropped_from_the_difference_and_not_from_the_means() -> None:
    rows = _rows(made_scores("AE", "original", 0.8, None, 0.6, 0.4), made_scores("AE", "modified", None, 0.1, 0.3, 0.2))
    row = rows["AE", "modified"]
    assert row.difference == pytest.approx(((0.3 - 0.6) + (0.2 - 0.4)) / 2)
    assert row.mean == pytest.approx(0.2)
    assert rows["AE", "original"].mean == pytest.approx(0.6)
    assert -0.3 <= row.ci_low < row.ci_high <= -0.2


def test_one_pair_has_a_difference_and_no_interval() -> None:
    row = _rows(made_scores("AE", "original", 0.8, None), made_scores("AE", "modified", 0.5, 0.1))["AE", "modified"]
    assert row.difference == pytest.approx(-0.3)
    assert (row.ci_low, row.ci_high) == (None, None)


def test_methods_are_compared_with_their_own_original() -> None:
    rows = _rows(
        made_scores("AE", "original", 0.9, 0.9), made_scores("AE", "noise", 0.8, 0.8),
        made_scores("β-VAE", "original", 0.1, 0.1), made_scores("β-VAE", "noise", 0.3, 0.3),
    )  # fmt: skip
    assert rows["AE", "noise"].difference == pytest.approx(-0.1)
    assert rows["β-VAE", "noise"].difference == pytest.approx(0.2)


def test_rows_come_by_metric_method_and_variant_in_the_order_of_themade_scores() -> None:
    scores = [
        Score(method=method, variant=variant, seed=seed, values={"a": 1.0, "b": 2.0}, failure=None, pruned_units=0)
        for method, variant, seed in itertools.product(["z", "y"], ["original", "noise", "modified"], range(2))
    ]
    rows = summarise(scores, ["b", "a"], **SETTINGS)
    expected = list(itertools.product(["b", "a"], ["z", "y"], ["original", "noise", "modified"]))
    assert [(row.metric, row.method, row.variant) for row in rows] == expected
    assert {row.metric: row.mean for row in rows} == {"a": 1.0, "b": 2.0}


def test_interval_agrees_with_all_resamples_of_a_small_sample() -> None:
    sample = [-0.4, -0.1, 0.0, 0.3, 0.35]
    means = np.array([np.mean(chosen) for chosen in itertools.product(sample, repeat=5)])
    low, high = paired_interval(sample, resamples=20_000, seed=0)
    assert low == pytest.approx(np.quantile(means, 0.025), abs=0.02)
    assert high == pytest.approx(np.quantile(means, 0.975), abs=0.02)


def test_interval_agrees_with_a_percentile_bootstrap_in_numpy() -> None:
    sample = np.random.default_rng(0).exponential(size=12) - 0.7
    draws = np.random.default_rng(1).integers(12, size=(50_000, 12))
    expected = np.quantile(sample[draws].mean(axis=1), [0.025, 0.975])
    found = paired_interval(list(sample), resamples=20_000, seed=0)
    assert found == pytest.approx(expected, abs=0.015)
    assert expected[1] - expected[0] > 0.3


def test_interval_is_that_of_its_seed() -> None:
    sample = [-0.4, -0.1, 0.0, 0.3, 0.35, 0.2111]
    first, again, other = (paired_interval(sample, resamples=200, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize("sample", [[], [0.3]])
def test_below_two_pairs_there_is_no_interval(sample: list[float]) -> None:
    assert paired_interval(sample, resamples=200, seed=0) == (None, None)


def test_equal_differences_have_an_interval_without_width() -> None:
    assert paired_interval([0.25, 0.25, 0.25], resamples=200, seed=0) == (0.25, 0.25)


def test_one_draw_has_the_numbers_of_no_draws_at_all() -> None:
    original = made_scores("AE", "original", 0.8, 0.7, 0.6, 0.55)
    row = _rows(original, made_scores("AE", "modified", 0.5, None, 0.3, 0.52, draw=2))["AE", "modified"]
    pairs = [0.5 - 0.8, 0.3 - 0.6, 0.52 - 0.55]
    assert row.difference == float(np.mean(pairs))
    assert (row.ci_low, row.ci_high) == paired_interval(pairs, **SETTINGS)
    assert (row.draws, row.by_draw) == (1, ((2, row.difference),))


def test_runs_of_all_draws_count_and_each_draw_has_its_own_difference() -> None:
    original = made_scores("AE", "original", 0.8, 0.6, None)
    first = made_scores("AE", "untrained", 0.5, 0.3, 0.1)
    second = made_scores("AE", "untrained", 0.4, None, 0.2, draw=1)
    row = _rows(original, first, second)["AE", "untrained"]
    assert (row.n, row.failed, row.pairs, row.draws) == (5, 1, 3, 2)
    assert row.mean == pytest.approx(0.3)
    assert [draw for draw, _ in row.by_draw] == [0, 1]
    assert [mean for _, mean in row.by_draw] == pytest.approx([-0.3, -0.4])
    assert row.difference == pytest.approx(-0.35)
    assert -0.4 <= row.ci_low <= row.ci_high <= -0.3


def test_draws_that_lie_apart_widen_the_interval() -> None:
    original = made_scores("AE", "original", *[0.8] * 8)
    rng = np.random.default_rng(0)
    alike, apart = (
        [made_scores("AE", "modified", *(0.4 + k * gap + rng.normal(0, 0.01, 8)), draw=k) for k in range(3)]
        for gap in (0.0, 0.1)
    )
    narrow, wide = (_rows(original, *draws)["AE", "modified"] for draws in (alike, apart))
    assert wide.ci_high - wide.ci_low > 5 * (narrow.ci_high - narrow.ci_low)


def test_two_variants_are_compared_by_seed() -> None:
    scores = [
        *made_scores("AE", "original", 0.9, 0.9, 0.9), *made_scores("AE", "modified", 0.1, 0.5, None),
        *made_scores("AE", "untrained", 0.3, 0.6, 0.8), *made_scores("PCL", "original", 0.9),
    ]  # fmt: skip
    (found,) = compare(scores, "mig", first="modified", second="untrained", **SETTINGS)
    assert found.difference == pytest.approx(-0.15)
    assert (found.ci_low, found.ci_high) == pytest.approx((-0.2, -0.1))
    assert (found.method, found.seeds, found.draws) == ("AE", 2, (1, 1))


def test_two_variants_of_several_draws_are_compared() -> None:
    scores = [
        *made_scores("AE", "modified", 0.1, 0.2, 0.3), *made_scores("AE", "modified", 0.2, 0.3, 0.4, draw=1),
        *made_scores("AE", "untrained", 0.3, 0.4, 0.5), *made_scores("AE", "untrained", 0.5, 0.6, 0.7, draw=1),
    ]  # fmt: skip
    (found,) = compare(scores, "mig", first="modified", second="untrained", **SETTINGS)
    assert found.difference == pytest.approx(-0.25)
    assert (found.ci_low, found.ci_high) == pytest.approx((-0.4, -0.1))
    assert (found.seeds, found.draws) == (3, (2, 2))


def test_variants_without_a_common_seed_have_no_difference() -> None:
    scores = [*made_scores("AE", "modified", 0.1, None), *made_scores("AE", "untrained", None, 0.2)]
    (found,) = compare(scores, "mig", first="modified", second="untrained", **SETTINGS)
    assert (found.difference, found.ci_low, found.ci_high, found.seeds) == (None, None, None, 0)


def _own_draw(variant: str, *values: float) -> list[Score]:
    """Seed k meets draw k."""
    return [replace(score, draw=score.seed) for score in made_scores("β-VAE", variant, *values)]


def test_where_each_seed_meets_a_draw_of_its_own_the_pairs_are_resampled() -> None:
    original = made_scores("β-VAE", "original", 0.6, 0.7, 0.8, 0.5)
    lower = 0.3, 0.5, 0.3, 0.4
    one = summarise([*original, *made_scores("β-VAE", "modified", *lower)], ["mig"], resamples=500, seed=0)[1]
    own = summarise([*original, *_own_draw("modified", *lower)], ["mig"], resamples=500, seed=0)[1]
    assert own.draws == 4
    assert own.by_draw == (
        (0, pytest.approx(-0.3)),
        (1, pytest.approx(-0.2)),
        (2, pytest.approx(-0.5)),
        (3, pytest.approx(-0.1)),
    )
    assert (own.difference, own.ci_low, own.ci_high) == pytest.approx((one.difference, one.ci_low, one.ci_high))


def test_where_two_seeds_share_a_draw_the_draws_are_resampled_with_their_seeds() -> None:
    original = made_scores("β-VAE", "original", 0.5, 0.5, 0.5, 0.5)
    shared = [replace(s, draw=s.seed % 2) for s in made_scores("β-VAE", "modified", 0.4, 0.2, 0.4, 0.2)]
    row = summarise([*original, *shared], ["mig"], resamples=500, seed=0)[1]
    assert (row.difference, row.ci_low, row.ci_high) == pytest.approx((-0.2, -0.3, -0.1))


def test_two_variants_whose_seeds_meet_draws_of_their_own_are_compared_by_seed() -> None:
    scores = [*_own_draw("modified", 0.3, 0.2, 0.4), *_own_draw("untrained", 0.5, 0.4, 0.6)]
    (found,) = compare(scores, "mig", first="modified", second="untrained", resamples=500, seed=0)
    assert (found.difference, found.ci_low, found.ci_high) == pytest.approx((-0.2, -0.2, -0.2))


def test_pairs_that_share_a_pattern_on_either_side_are_resampled_as_one() -> None:
    """However the sides stand: else shared patterns would pass for independent ones."""
    own = _own_draw("modified", 0.3, 0.1, 0.3, 0.1)
    shared = [replace(s, draw=s.seed % 2) for s in made_scores("β-VAE", "untrained", 0.5, 0.5, 0.5, 0.5)]
    (found,) = compare([*own, *shared], "mig", first="modified", second="untrained", resamples=500, seed=0)
    (turned,) = compare([*own, *shared], "mig", first="untrained", second="modified", resamples=500, seed=0)
    assert (found.difference, found.ci_low, found.ci_high) == pytest.approx((-0.3, -0.4, -0.2))
    assert (turned.difference, turned.ci_low, turned.ci_high) == pytest.approx((0.3, 0.2, 0.4))
    together = pooled(
        [*own, *shared], "mig", methods=["β-VAE"], variant="modified", second="untrained", resamples=500, seed=0
    )
    assert (together.ci_low, together.ci_high) == pytest.approx((-0.4, -0.2))
