"""The retained share of a score, its interval and its sentence."""

from dataclasses import replace

import numpy as np
import pytest
from made_scores import made_scores

from perturb.report.sentences import model_sentence
from perturb.statistics.intervals import over_clusters, over_draws_and_seeds
from perturb.statistics.retained import retained


def test_the_retained_share_is_the_ratio_of_the_means_over_pairs() -> None:
    scores = made_scores("A", "original", 0.6, 0.7, 0.8, 0.9) + made_scores("A", "modified", 0.3, 0.4, 0.35, None)
    found = retained(scores, "mig", "modified")
    assert (found.pairs, found.share) == (3, pytest.approx(0.5))
    half_width = over_clusters(np.array([[0.0, 0.05, -0.05]])).half_width / 0.7
    assert (found.low, found.high) == pytest.approx((0.5 - half_width, 0.5 + half_width))


def test_pairs_that_retain_the_same_share_have_a_narrow_interval_at_any_score() -> None:
    scores = made_scores("A", "original", 0.2, 0.8) + made_scores("A", "modified", 0.1, 0.4)
    found = retained(scores, "mig", "modified")
    assert (found.low, found.share, found.high) == (pytest.approx(0.5), pytest.approx(0.5), pytest.approx(0.5))


def test_several_patterns_are_the_clusters_of_the_retained_share() -> None:
    originals = made_scores("A", "original", *[0.5] * 6)
    modified = [replace(score, draw=score.seed % 3) for score in made_scores("A", "modified", 0.1, 0.3, 0.2, 0.2, 0.4, 0.3)]
    found = retained([*originals, *modified], "mig", "modified")
    assert (found.pairs, found.share) == (6, pytest.approx(0.5))
    half_width = over_clusters(np.array([[-0.1, 0.1, 0.0]])).half_width / 0.5
    assert (found.low, found.high) == pytest.approx((0.5 - half_width, 0.5 + half_width))


def test_seeds_trained_on_several_patterns_contribute_both_sources_of_variance() -> None:
    originals = made_scores("A", "original", 0.5, 0.5, 0.5)
    modified = [*made_scores("A", "modified", 0.1, 0.3, 0.2), *made_scores("A", "modified", 0.3, 0.4, 0.2, draw=1)]
    found = retained([*originals, *modified], "mig", "modified")
    table = np.array([[0.1, 0.3, 0.2], [0.3, 0.4, 0.2]]) - 0.25
    half_width = over_draws_and_seeds(table, np.zeros((1, 3))).half_width / 0.5
    assert (found.low, found.share, found.high) == pytest.approx((0.5 - half_width, 0.5, 0.5 + half_width))


def test_the_interval_of_the_retained_share_has_about_the_nominal_coverage() -> None:
    rng, hits = np.random.default_rng(0), 0
    for _ in range(500):
        originals = rng.normal(0.7, 0.2, 3)
        modified = 0.5 * originals + rng.normal(0, 0.1, 3)
        found = retained(
            [*made_scores("A", "original", *originals), *made_scores("A", "modified", *modified)], "mig", "modified"
        )
        hits += found.low <= 0.5 <= found.high
    assert hits / 500 == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("original", "modified", "end"),
    [
        ((0.6, 0.4), (0.3, 0.2), "it keeps 50% of that (95 % interval 50% to 50%, 2 pairs)."),
        ((0.5, 0.5), (0.45, 0.45), "it keeps 90% of that (95 % interval 90% to 90%, 2 pairs)."),
        ((0.5, 0.5), (0.46, 0.48), "it keeps 94% of that (95 % interval 69% to 119%, 2 pairs, which may be chance)."),
        ((0.5,), (0.1,), "it keeps 20% of that (too few pairs for an interval)."),
        ((0.0, 0.0), (0.1, 0.1), "there was nothing to keep."),
        ((0.5, 0.5), (None, None), "no run has a score."),
    ],
    ids=["clear", "little", "chance", "one pair", "nothing", "failed"],
)
def test_the_model_sentence_states_what_is_retained(original: tuple, modified: tuple, end: str) -> None:
    scores = made_scores("A", "original", *original) + made_scores("A", "modified", *modified)
    mean = sum(original) / len(original)
    start = f"A reaches a MIG of {mean:.2f} on the original; on the modified images "
    assert model_sentence(scores, "mig") == start + end


def test_a_model_without_a_score_on_the_original_is_reported() -> None:
    scores = made_scores("A", "original", None) + made_scores("A", "modified", 0.5)
    assert model_sentence(scores, "mig") == "A has no score on the original, because all of its runs there failed."
