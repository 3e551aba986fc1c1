"""How much of a score survives: the share, its interval, the sentence."""

from dataclasses import replace

import pytest
from made_scores import made_scores

from perturb.evaluation.kept import kept, sentence

ARGUMENTS = {"resamples": 2_000, "seed": 0}


def test_the_share_is_that_of_the_means_over_pairs() -> None:
    scores = made_scores("A", "original", 0.5, 0.7, 0.9) + made_scores("A", "modified", 0.1, 0.5, None)
    found = kept(scores, "mig", "modified", **ARGUMENTS)
    assert (found.pairs, found.share) == (2, pytest.approx(0.5))
    # Both pairs are the first, or both the second, a quarter of the time each.
    assert (found.low, found.high) == (pytest.approx(0.2), pytest.approx(0.5 / 0.7))


def test_pairs_that_keep_the_same_share_have_a_narrow_interval_however_far_apart_their_scores_are() -> None:
    scores = made_scores("A", "original", 0.2, 0.8) + made_scores("A", "modified", 0.1, 0.4)
    found = kept(scores, "mig", "modified", **ARGUMENTS)
    assert (found.low, found.share, found.high) == (pytest.approx(0.5), pytest.approx(0.5), pytest.approx(0.5))


def test_of_several_patterns_whole_patterns_are_resampled() -> None:
    originals = made_scores("A", "original", 0.5, 0.5, 0.5, 0.5)
    modified = [
        replace(score, draw=score.seed % 2) for score in made_scores("A", "modified", 0.1, 0.3, 0.2, 0.4)
    ]  # pattern 0 leaves 0.1 and 0.2, pattern 1 leaves 0.3 and 0.4
    found = kept([*originals, *modified], "mig", "modified", **ARGUMENTS)
    assert (found.pairs, found.share) == (4, pytest.approx(0.5))
    assert (found.low, found.high) == (pytest.approx(0.3), pytest.approx(0.7))


@pytest.mark.parametrize(
    ("original", "modified", "end"),
    [
        ((0.6, 0.4), (0.3, 0.2), "it keeps 50% of that (95 % interval 50% to 50%, 2 pairs)."),
        ((0.6, 0.4), (0.3, 0.6), "it keeps 90% of that (95 % interval 50% to 150%, 2 pairs, which may be chance)."),
        ((0.5,), (0.1,), "it keeps 20% of that (too few pairs for an interval)."),
        ((0.0, 0.0), (0.1, 0.1), "there was nothing to keep."),
        ((0.5, 0.5), (None, None), "no run has a score."),
    ],
    ids=["clear", "chance", "one pair", "nothing", "failed"],
)
def test_the_sentence_says_what_survives(original: tuple, modified: tuple, end: str) -> None:
    scores = made_scores("A", "original", *original) + made_scores("A", "modified", *modified)
    mean = sum(original) / len(original)
    start = f"A reaches a MIG of {mean:.2f} on the original; on the modified images "
    assert sentence(scores, "mig", **ARGUMENTS) == start + end


def test_without_an_original_there_is_nothing_to_say() -> None:
    scores = made_scores("A", "original", None) + made_scores("A", "modified", 0.5)
    assert sentence(scores, "mig", **ARGUMENTS) == "A has no score on the original, because all of its runs there failed."
