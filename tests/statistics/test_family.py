"""Which comparisons are exempt from the adjustment, and how the others are adjusted."""

from dataclasses import replace

import pytest
from made_scores import made_scores

from perturb.report.words import may_be_chance
from perturb.statistics.family import Family
from perturb.statistics.intervals import holm
from perturb.statistics.scores import compare, pooled, summarise

SCORES = [
    *made_scores("A", "original", 0.80, 0.70, 0.60, 0.75), *made_scores("A", "modified", 0.50, 0.42, 0.35, 0.45),
    *made_scores("A", "untrained", 0.62, 0.50, 0.45, 0.60), *made_scores("B", "original", 0.50, 0.40, 0.45, 0.60),
    *made_scores("B", "modified", 0.40, 0.20, 0.38, 0.41), *made_scores("B", "untrained", 0.47, 0.42, 0.43, 0.56),
]  # fmt: skip


def test_every_comparison_except_the_primary_ones_is_adjusted_once() -> None:
    rows = summarise(SCORES, ["mig"])
    beside = compare(SCORES, "mig", first="modified", second="untrained")
    primary = [pooled(SCORES, "mig", methods=["A", "B"], first="modified")]
    family = Family([*rows, *beside, *beside, *primary], primary=primary)
    compared = [row for row in rows if row.p is not None]
    assert len(family) == len(compared) + len(beside) == 6
    expected = holm([found.p for found in (*compared, *beside)])
    judged = [*family.judged(compared), *family.judged(beside)]
    assert [found.p_holm for found in judged] == pytest.approx(expected)
    assert family.judged(primary)[0].p_holm is None
    assert [row.p_holm for row in family.judged(rows) if row.variant == "original"] == [None, None]


def test_a_cell_that_is_a_primary_contrast_is_not_adjusted() -> None:
    rows = summarise(SCORES, ["mig"])
    primary = [pooled(SCORES, "mig", methods=["A"], first="original", second="modified")]
    judged = {(row.method, row.variant): row for row in Family(rows, primary=primary).judged(rows)}
    assert judged["A", "modified"].p_holm is None
    assert judged["B", "modified"].p_holm is not None


def test_a_significant_result_may_be_chance_within_a_family() -> None:
    (row,) = [row for row in summarise(SCORES, ["mig"]) if (row.method, row.variant) == ("B", "modified")]
    assert 0.02 < row.p < 0.05
    assert not may_be_chance(row)
    another = replace(row, method="C", p=0.03)
    judged, _ = Family([row, another], primary=[]).judged([row, another])
    assert judged.p_holm == pytest.approx(2 * row.p)
    (judged,) = Family([row, another, replace(row, method="D", p=0.9)], primary=[]).judged([row])
    assert may_be_chance(judged)
    assert (judged.ci_low, judged.ci_high) == (row.ci_low, row.ci_high)
