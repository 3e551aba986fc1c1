from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from made_scores import made_scores

from perturb.report.sentences import contrast, further, headline
from perturb.statistics.intervals import over_clusters, over_methods
from perturb.statistics.scores import Comparison, Score, pooled

SCORES = [
    *made_scores("A", "original", 0.8, 0.7, 0.6), *made_scores("A", "modified", 0.5, 0.4, 0.1),
    *made_scores("B", "original", 0.5, 0.4, None), *made_scores("B", "modified", 0.4, 0.2, 0.3),
    *made_scores("A", "noise", 0.9, 0.6, 0.6), *made_scores("B", "noise", 0.4, 0.5, 0.5),
]  # fmt: skip


def _changes(scores: Sequence[Score], methods: Sequence[str], *variants: str) -> list[Comparison]:
    return [pooled(scores, "mig", methods=methods, first=variant) for variant in variants]


def test_changes_are_averaged_over_methods_within_each_seed() -> None:
    scores = [score for score in SCORES if score.seed < 2]
    found = pooled(scores, "mig", methods=["A", "B"], first="modified")
    rows = np.array([[-0.3, -0.3], [-0.1, -0.2]])
    expected = over_methods(over_clusters(rows), [over_clusters(row[None]) for row in rows])
    assert found.difference == pytest.approx(np.mean([np.mean([-0.3, -0.1]), np.mean([-0.3, -0.2])]))
    assert (found.ci_low, found.ci_high) == pytest.approx(expected.interval)
    assert found.p == pytest.approx(expected.p)
    assert (found.method, found.methods, found.first, found.second) == (
        "mean of 2 methods", ("A", "B"), "modified", "original"
    )  # fmt: skip
    assert (found.seeds, found.draws) == (2, (1, 1))


def test_methods_with_fewer_runs_have_the_same_weight_as_the_others() -> None:
    found = pooled(SCORES, "mig", methods=["A", "B"], first="modified")
    assert found.difference == pytest.approx(np.mean([np.mean([-0.3, -0.3, -0.5]), np.mean([-0.1, -0.2])]))
    assert found.ci_low < found.difference < found.ci_high
    assert found.seeds == 3


def test_the_pooled_interval_ignores_how_many_patterns_each_method_was_trained_on() -> None:
    """Patterns without spread give an interval of width 0, though B was trained on four of them and A on ten."""
    scores = [*made_scores("A", "original", *[0.5] * 10), *made_scores("B", "original", *[0.9] * 4)]
    scores += [replace(score, draw=score.seed) for score in made_scores("A", "modified", *[0.4] * 10)]
    scores += [replace(score, draw=score.seed) for score in made_scores("B", "modified", *[0.6] * 4)]
    found = pooled(scores, "mig", methods=["A", "B"], first="modified")
    assert (found.difference, found.ci_low, found.ci_high) == pytest.approx((-0.2, -0.2, -0.2))
    assert found.draws == (10, 1)


def test_patterns_are_shared_by_all_methods() -> None:
    scores = [score for score in SCORES if score.variant != "modified"]
    for method in "AB":
        for draw in range(2):
            scores += made_scores(method, "modified", 0.1 + 0.2 * draw, 0.1 + 0.2 * draw, 0.1 + 0.2 * draw, draw=draw)
    found = pooled(scores, "mig", methods=["A", "B"], first="modified")
    assert found.draws == (2, 1)
    assert found.ci_low <= found.difference - 0.1 < found.difference + 0.1 <= found.ci_high


def test_the_headline_is_one_sentence_with_an_interval_per_variant() -> None:
    changes = _changes(SCORES, ["A", "B"], "modified", "noise")
    text = headline(SCORES, "mig", methods=["A", "B"], changes=changes)
    assert text.startswith(
        "Averaged over A and B, MIG is 0.58 on the original; it changes by −0.26 on the modified images (95 % interval [−0."
    )
    assert " and by +0.00 under noise of the same maximum (95 % interval [−" in text
    assert text.count("95 % interval") == 2
    assert text.endswith(", which may be chance).")
    assert ". " not in text.replace("0.", "")


def test_the_adjusted_p_decides_what_may_be_chance() -> None:
    (change,) = _changes(
        [*made_scores("A", "original", 0.8, 0.7), *made_scores("A", "modified", 0.5, 0.4)], ["A"], "modified"
    )
    assert "chance" not in further([change])
    assert further([replace(change, p_holm=0.3)]).endswith("[−0.30, −0.30], which may be chance among so many comparisons).")


def test_further_variants_have_a_sentence_of_their_own() -> None:
    scores = [*SCORES, *made_scores("A", "untrained", 0.6, 0.5, 0.4), *made_scores("A", "literal", 0.8, 0.7, None)]
    assert further(_changes(scores, ["A"], "untrained", "literal")) == (
        "A's MIG changes by −0.20 under an untrained pattern (95 % interval [−0.20, −0.20]) and by +0.00 on literal "
        "(95 % interval [+0.00, +0.00], which may be chance)."
    )
    assert further([]) is None


def test_a_single_method_is_referred_to_by_its_name() -> None:
    original = [score for score in SCORES if score.variant == "original"]
    assert headline(original, "mig", methods=["A"], changes=[]) == "A's MIG is 0.70 on the original."


def test_too_few_seeds_and_failures_are_reported() -> None:
    one = [*made_scores("A", "original", 0.5), *made_scores("A", "modified", 0.7), *made_scores("A", "noise", None)]
    assert headline(one, "mig", methods=["A"], changes=_changes(one, ["A"], "modified", "noise")) == (
        "A's MIG is 0.50 on the original; it changes by +0.20 on the modified images (too few seeds for an interval) and "
        "cannot be compared under noise of the same maximum."
    )
    assert headline(made_scores("A", "original", None), "mig", methods=["A"], changes=[]) == (
        "A's MIG cannot be computed: all runs on the original failed."
    )


def test_the_effect_of_training_the_pattern_is_reported_with_its_sign_and_interval() -> None:
    trained = [*made_scores("A", "modified", 0.3, 0.2, 0.3), *made_scores("B", "modified", 0.4, 0.4, 0.4)]
    control = [*made_scores("A", "untrained", 0.5, 0.4, 0.5), *made_scores("B", "untrained", 0.5, 0.5, 0.5)]
    found = pooled([*trained, *control], "mig", methods=["A", "B"], first="modified", second="untrained")
    assert contrast(found) == (
        "Averaged over A and B, training m_ψ changes MIG by −0.15 beyond an untrained pattern of the same variance and "
        "roughness (95 % "
        "interval [−0.15, −0.15])."
    )
    alone = pooled([*trained, *control], "mig", methods=["A"], first="modified", second="untrained")
    assert contrast(alone).startswith("Training m_ψ changes A's MIG by −0.20 beyond an untrained pattern")
    repainted = replace(alone, second="untrained_in_span")
    assert "roughness that repaints what is there (95 % interval" in contrast(repainted)
    weaker = [replace(s, variant="untrained" if s.variant == "modified" else "modified") for s in (*trained, *control)]
    turned = pooled(weaker, "mig", methods=["A", "B"], first="modified", second="untrained")
    assert (
        "by +0.15 beyond an untrained pattern of the same variance and roughness (95 % interval [+0.15, +0.15])"
        in contrast(turned)
    )
    assert contrast(pooled(trained, "mig", methods=["A"], first="modified", second="untrained")) is None


def test_other_contrasts_name_both_variants() -> None:
    scores = [*made_scores("A", "noise", 0.3, 0.2), *made_scores("A", "untrained", 0.5, 0.4)]
    assert contrast(pooled(scores, "mig", methods=["A"], first="noise", second="untrained")) == (
        "A's MIG changes by −0.20 from untrained to noise (95 % interval [−0.20, −0.20])."
    )
    (against,) = _changes(SCORES, ["A"], "noise")
    assert contrast(against) == further([against])


def test_a_seed_with_several_untrained_patterns_is_compared_with_their_mean() -> None:
    scores = [*made_scores("A", "modified", 0.3, 0.3)]
    for draw, value in enumerate((0.4, 0.6)):
        scores += made_scores("A", "untrained", value, value, draw=draw)
    found = pooled(scores, "mig", methods=["A"], first="modified", second="untrained")
    assert found.difference == pytest.approx(-0.2)
    assert found.draws == (1, 2)
