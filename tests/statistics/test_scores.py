import itertools
from dataclasses import replace

import numpy as np
import pytest
from made_scores import made_scores

from perturb.statistics.intervals import over_clusters, over_draws_and_seeds
from perturb.statistics.scores import Row, Score, compare, pooled, summarise


def _rows(*scores: list[Score]) -> dict[tuple[str, str], Row]:
    rows = summarise([score for group in scores for score in group], ["mig"])
    return {(row.method, row.variant): row for row in rows}


def _of(*clusters: float) -> tuple[float, float, float]:
    """Mean and interval over these clusters."""
    found = over_clusters(np.array([clusters]))
    return found.mean, *found.interval


def test_mean_and_sample_deviation_match_a_hand_calculation() -> None:
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


def test_failed_runs_are_counted_and_excluded_from_the_mean() -> None:
    row = _rows(made_scores("AE", "original", 0.2, None, 0.4, None))["AE", "original"]
    assert row.mean == pytest.approx(0.3)
    assert row.std == pytest.approx(0.02**0.5)
    assert (row.n, row.failed) == (2, 2)


def test_over_pruned_runs_are_counted_and_included_in_the_mean() -> None:
    row = _rows(made_scores("AE", "original", 0.2, 0.6, 0.1, None, pruned=(1, 2, 3)))["AE", "original"]
    assert row.mean == pytest.approx(0.3)
    assert (row.n, row.over_pruned) == (3, 2)


def test_a_method_whose_runs_all_failed_has_no_numbers() -> None:
    rows = _rows(made_scores("AE", "original", None, None), made_scores("AE", "noise", None, None))
    for row in rows.values():
        assert (row.mean, row.std, row.difference, row.ci_low, row.ci_high) == (None,) * 5
        assert (row.n, row.failed) == (0, 2)


def test_a_variant_whose_original_failed_has_a_mean_and_no_difference() -> None:
    row = _rows(made_scores("AE", "original", None, None), made_scores("AE", "noise", 0.1, 0.3))["AE", "noise"]
    assert row.mean == pytest.approx(0.2)
    assert (row.difference, row.ci_low, row.ci_high) == (None, None, None)


def test_differences_are_paired_by_seed() -> None:
    rows = _rows(made_scores("AE", "original", 0.1, 0.5, 0.9), made_scores("AE", "modified", 0.0, 0.4, 0.8))
    row = rows["AE", "modified"]
    assert row.difference == pytest.approx(-0.1)
    assert row.ci_low == pytest.approx(-0.1)
    assert row.ci_high == pytest.approx(-0.1)


def test_the_order_of_the_runs_does_not_change_the_pairs() -> None:
    scores = made_scores("AE", "original", 0.1, 0.5, 0.9) + made_scores("AE", "modified", 0.0, 0.5, 0.2)
    mixed = [scores[i] for i in (2, 0, 1, 4, 5, 3)]
    for one, other in zip(summarise(scores, ["mig"]), summarise(mixed, ["mig"]), strict=True):
        assert other.difference == one.difference
        assert (other.ci_low, other.ci_high) == (one.ci_low, one.ci_high)
        assert other.mean == pytest.approx(one.mean)


def test_a_pair_with_a_failed_run_is_dropped_from_the_difference_but_not_from_the_means() -> None:
    rows = _rows(made_scores("AE", "original", 0.8, None, 0.6, 0.4), made_scores("AE", "modified", None, 0.1, 0.3, 0.2))
    row = rows["AE", "modified"]
    assert row.difference == pytest.approx(((0.3 - 0.6) + (0.2 - 0.4)) / 2)
    assert row.mean == pytest.approx(0.2)
    assert rows["AE", "original"].mean == pytest.approx(0.6)
    assert (row.ci_low, row.ci_high) == pytest.approx(_of(-0.3, -0.2)[1:])


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


def test_rows_are_ordered_by_metric_then_method_then_variant_as_given() -> None:
    scores = [
        Score(method=method, variant=variant, seed=seed, values={"a": 1.0, "b": 2.0}, failure=None)
        for method, variant, seed in itertools.product(["z", "y"], ["original", "noise", "modified"], range(2))
    ]
    rows = summarise(scores, ["b", "a"])
    expected = list(itertools.product(["b", "a"], ["z", "y"], ["original", "noise", "modified"]))
    assert [(row.metric, row.method, row.variant) for row in rows] == expected
    assert {row.metric: row.mean for row in rows} == {"a": 1.0, "b": 2.0}


def test_a_single_draw_gives_the_numbers_of_a_plain_pairing_by_seed() -> None:
    original = made_scores("AE", "original", 0.8, 0.7, 0.6, 0.55)
    row = _rows(original, made_scores("AE", "modified", 0.5, None, 0.3, 0.52, draw=2))["AE", "modified"]
    pairs = [0.5 - 0.8, 0.3 - 0.6, 0.52 - 0.55]
    assert row.difference == float(np.mean(pairs))
    assert (row.ci_low, row.ci_high) == over_clusters(np.array([pairs])).interval
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
    table = np.array([[-0.3, -0.3], [-0.4, np.nan]])
    expected = over_draws_and_seeds(table, np.zeros((1, 2)))
    assert (row.ci_low, row.ci_high) == pytest.approx(expected.interval)
    assert row.p == pytest.approx(expected.p)


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
    (found,) = compare(scores, "mig", first="modified", second="untrained")
    assert (found.difference, found.ci_low, found.ci_high) == pytest.approx(_of(-0.2, -0.1))
    assert found.p == pytest.approx(over_clusters(np.array([[-0.2, -0.1]])).p)
    assert (found.method, found.seeds, found.draws) == ("AE", 2, (1, 1))


def test_two_variants_with_several_draws_are_compared() -> None:
    scores = [
        *made_scores("AE", "modified", 0.1, 0.2, 0.3), *made_scores("AE", "modified", 0.2, 0.3, 0.4, draw=1),
        *made_scores("AE", "untrained", 0.3, 0.4, 0.5), *made_scores("AE", "untrained", 0.5, 0.6, 0.7, draw=1),
    ]  # fmt: skip
    (found,) = compare(scores, "mig", first="modified", second="untrained")
    assert found.difference == pytest.approx(-0.25)
    assert found.ci_low < -0.4 < -0.1 < found.ci_high
    assert (found.seeds, found.draws) == (3, (2, 2))


def test_variants_without_a_common_seed_have_no_difference() -> None:
    scores = [*made_scores("AE", "modified", 0.1, None), *made_scores("AE", "untrained", None, 0.2)]
    (found,) = compare(scores, "mig", first="modified", second="untrained")
    assert (found.difference, found.ci_low, found.ci_high, found.seeds) == (None, None, None, 0)


def _own_draw(variant: str, *values: float) -> list[Score]:
    """Scores of which seed k was trained on draw k."""
    return [replace(score, draw=score.seed) for score in made_scores("β-VAE", variant, *values)]


def test_where_each_seed_has_its_own_draw_the_pairs_are_the_clusters() -> None:
    original = made_scores("β-VAE", "original", 0.6, 0.7, 0.8, 0.5)
    lower = 0.3, 0.5, 0.3, 0.4
    one = summarise([*original, *made_scores("β-VAE", "modified", *lower)], ["mig"])[1]
    own = summarise([*original, *_own_draw("modified", *lower)], ["mig"])[1]
    assert own.draws == 4
    assert own.by_draw == (
        (0, pytest.approx(-0.3)),
        (1, pytest.approx(-0.2)),
        (2, pytest.approx(-0.5)),
        (3, pytest.approx(-0.1)),
    )
    assert (own.difference, own.ci_low, own.ci_high) == pytest.approx((one.difference, one.ci_low, one.ci_high))


def test_where_seeds_share_a_draw_the_draws_are_the_clusters() -> None:
    original = made_scores("β-VAE", "original", 0.5, 0.5, 0.5, 0.5)
    shared = [replace(s, draw=s.seed % 2) for s in made_scores("β-VAE", "modified", 0.4, 0.2, 0.4, 0.2)]
    row = summarise([*original, *shared], ["mig"])[1]
    assert (row.difference, row.ci_low, row.ci_high) == pytest.approx(_of(-0.1, -0.3))


def test_variants_whose_seeds_have_their_own_draws_are_compared_by_seed() -> None:
    scores = [*_own_draw("modified", 0.3, 0.2, 0.4), *_own_draw("untrained", 0.5, 0.4, 0.6)]
    (found,) = compare(scores, "mig", first="modified", second="untrained")
    assert (found.difference, found.ci_low, found.ci_high) == pytest.approx((-0.2, -0.2, -0.2))


def test_pairs_that_share_a_pattern_on_either_side_form_one_cluster() -> None:
    """This holds for either order of the sides. Otherwise shared patterns would count as independent."""
    own = _own_draw("modified", 0.3, 0.1, 0.3, 0.1)
    shared = [replace(s, draw=s.seed % 2) for s in made_scores("β-VAE", "untrained", 0.5, 0.5, 0.5, 0.5)]
    (found,) = compare([*own, *shared], "mig", first="modified", second="untrained")
    (turned,) = compare([*own, *shared], "mig", first="untrained", second="modified")
    assert (found.difference, found.ci_low, found.ci_high) == pytest.approx(_of(-0.2, -0.4))
    assert (turned.difference, turned.ci_low, turned.ci_high) == pytest.approx(_of(0.2, 0.4))
    together = pooled([*own, *shared], "mig", methods=["β-VAE"], first="modified", second="untrained")
    assert (together.ci_low, together.ci_high) == pytest.approx(_of(-0.2, -0.4)[1:])


def test_patterns_of_the_second_side_are_the_clusters_where_the_first_has_none() -> None:
    original = made_scores("β-VAE", "original", 0.5, 0.5, 0.5, 0.5)
    shared = [replace(s, draw=s.seed % 2) for s in made_scores("β-VAE", "modified", 0.4, 0.2, 0.4, 0.2)]
    (found,) = compare([*original, *shared], "mig", first="original", second="modified")
    assert (found.difference, found.ci_low, found.ci_high) == pytest.approx(_of(0.1, 0.3))


def test_the_retained_share_of_a_row_is_the_ratio_of_the_means() -> None:
    rows = _rows(made_scores("AE", "original", 0.8, 0.4), made_scores("AE", "modified", 0.2, 0.1))
    assert rows["AE", "original"].retained is None
    assert rows["AE", "modified"].retained == pytest.approx(0.25)
    rows = _rows(made_scores("AE", "original", 0.0, 0.0), made_scores("AE", "modified", 0.2, 0.1))
    assert rows["AE", "modified"].retained is None


def test_deviations_that_cancel_over_methods_do_not_make_the_mean_significant() -> None:
    scores = [*made_scores("A", "original", *[0.5] * 5), *made_scores("B", "original", *[0.5] * 5)]
    scores += made_scores("A", "noise", 0.35, 0.45, 0.55, 0.65, 0.75)
    scores += made_scores("B", "noise", 0.75, 0.65, 0.55, 0.45, 0.35)
    found = pooled(scores, "mig", methods=["A", "B"], first="noise")
    assert found.difference == pytest.approx(0.05)
    assert found.ci_low < 0 < found.ci_high
    assert found.p > 0.05
