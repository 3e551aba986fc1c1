from dataclasses import replace

import numpy as np
import pytest
from made_scores import made_scores

from perturb.evaluation.bootstrap import paired_interval
from perturb.evaluation.headline import headline, other_patterns, what_training_adds
from perturb.evaluation.statistics import pooled

SETTINGS = {"resamples": 400, "seed": 0}
SCORES = [
    *made_scores("A", "original", 0.8, 0.7, 0.6), *made_scores("A", "modified", 0.5, 0.4, 0.1),
    *made_scores("B", "original", 0.5, 0.4, None), *made_scores("B", "modified", 0.4, 0.2, 0.3),
    *made_scores("A", "noise", 0.9, 0.6, 0.6), *made_scores("B", "noise", 0.4, 0.5, 0.5),
]  # fmt: skip


def test_methods_are_averaged_for_every_seed() -> None:
    scores = [score for score in SCORES if score.seed < 2]
    found = pooled(scores, "mig", methods=["A", "B"], variant="modified", **SETTINGS)
    by_seed = [np.mean([-0.3, -0.1]), np.mean([-0.3, -0.2])]
    assert found.difference == pytest.approx(np.mean(by_seed))
    assert (found.ci_low, found.ci_high) == pytest.approx(paired_interval(by_seed, **SETTINGS))
    assert (found.method, found.first, found.second) == ("mean of 2 methods", "modified", "original")
    assert (found.seeds, found.draws) == (2, (1, 1))


def test_methods_with_fewer_runs_weigh_as_much_as_the_others() -> None:
    found = pooled(SCORES, "mig", methods=["A", "B"], variant="modified", **SETTINGS)
    assert found.difference == pytest.approx(np.mean([np.mean([-0.3, -0.3, -0.5]), np.mean([-0.1, -0.2])]))
    assert found.ci_low < found.difference < found.ci_high
    assert found.seeds == 3


def test_an_interval_holds_what_patterns_share_and_not_how_many_each_method_met() -> None:
    """Without spread among patterns there is none in the answer, though B met four of them and A ten."""
    scores = [*made_scores("A", "original", *[0.5] * 10), *made_scores("B", "original", *[0.9] * 4)]
    scores += [replace(score, draw=score.seed) for score in made_scores("A", "modified", *[0.4] * 10)]
    scores += [replace(score, draw=score.seed) for score in made_scores("B", "modified", *[0.6] * 4)]
    found = pooled(scores, "mig", methods=["A", "B"], variant="modified", **SETTINGS)
    assert (found.difference, found.ci_low, found.ci_high) == pytest.approx((-0.2, -0.2, -0.2))
    assert found.draws == (10, 1)


def test_draws_are_shared_by_all_methods() -> None:
    scores = [score for score in SCORES if score.variant != "modified"]
    for method in "AB":
        for draw in range(2):
            scores += made_scores(method, "modified", 0.1 + 0.2 * draw, 0.1 + 0.2 * draw, 0.1 + 0.2 * draw, draw=draw)
    found = pooled(scores, "mig", methods=["A", "B"], variant="modified", **SETTINGS)
    assert found.draws == (2, 1)
    assert found.ci_low <= found.difference - 0.1 < found.difference + 0.1 <= found.ci_high


def test_the_answer_is_one_sentence_with_an_interval_for_each_variant() -> None:
    text = headline(SCORES, "mig", methods=["A", "B"], **SETTINGS)
    assert text.startswith(
        "Averaged over A and B, MIG is 0.58 on the original; it falls by 0.26 on the modified images (95 % interval [−0.50, "
    )
    assert text.count("95 % interval") == 2
    assert text.count("which may be chance") == 1
    assert text.endswith(", which may be chance).")
    assert ". " not in text.replace("0.", "")


def test_further_variants_have_a_sentence_of_their_own() -> None:
    scores = [*SCORES, *made_scores("A", "untrained", 0.6, 0.5, 0.4), *made_scores("A", "literal", 0.8, 0.7, None)]
    assert headline(scores, "mig", methods=["A"], **SETTINGS) == headline(SCORES, "mig", methods=["A"], **SETTINGS)
    assert other_patterns(scores, "mig", methods=["A"], **SETTINGS) == (
        "A's MIG falls by 0.20 under an untrained pattern (95 % interval [−0.20, −0.20]) and rises by 0.00 under the "
        "pattern of literal (95 % interval [+0.00, +0.00], which may be chance)."
    )
    assert other_patterns(SCORES, "mig", methods=["A"], **SETTINGS) is None


def test_one_method_is_called_by_its_name() -> None:
    original = [score for score in SCORES if score.variant == "original"]
    assert headline(original, "mig", methods=["A"], **SETTINGS) == "A's MIG is 0.70 on the original."


def test_too_few_seeds_and_failures_are_told() -> None:
    one = [*made_scores("A", "original", 0.5), *made_scores("A", "modified", 0.7), *made_scores("A", "noise", None)]
    assert headline(one, "mig", methods=["A"], **SETTINGS) == (
        "A's MIG is 0.50 on the original; it rises by 0.20 on the modified images (too few seeds for an interval) and "
        "cannot be compared under noise of the same size."
    )
    assert headline(made_scores("A", "original", None), "mig", methods=["A"], **SETTINGS) == (
        "A's MIG cannot be told: all runs on the original failed."
    )


def test_what_training_adds_is_modified_less_untrained_by_seed() -> None:
    trained = [*made_scores("A", "modified", 0.3, 0.2), *made_scores("B", "modified", 0.4, 0.4)]
    control = [*made_scores("A", "untrained", 0.5, 0.3), *made_scores("B", "untrained", 0.5, 0.4)]
    assert what_training_adds([*trained, *control], "mig", methods=["A", "B"], **SETTINGS) == (
        "The trained pattern takes 0.10 more than an untrained pattern of the same variance (95 % interval of the "
        "difference [−0.15, −0.05])."
    )
    weaker = [replace(s, variant="untrained" if s.variant == "modified" else "modified") for s in (*trained, *control)]
    assert "takes 0.10 less than" in what_training_adds(weaker, "mig", methods=["A", "B"], **SETTINGS)
    assert what_training_adds(trained, "mig", methods=["A", "B"], **SETTINGS) is None


def test_a_seed_that_met_several_untrained_patterns_is_held_against_their_mean() -> None:
    scores = [*made_scores("A", "modified", 0.3, 0.3)]
    for draw, value in enumerate((0.4, 0.6)):
        scores += made_scores("A", "untrained", value, value, draw=draw)
    found = pooled(scores, "mig", methods=["A"], variant="modified", second="untrained", **SETTINGS)
    assert found.difference == pytest.approx(-0.2)
    assert found.draws == (1, 2)
