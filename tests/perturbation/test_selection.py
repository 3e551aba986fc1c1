from dataclasses import asdict
from pathlib import Path

import pytest

from perturb.config import SelectionConfig
from perturb.errors import UserError
from perturb.files import write_json
from perturb.perturbation.selection import ScoredRestart, Selection, over_pruned, select
from perturb.runs import MANIFEST, read_result

ACTIVE = (0.1, 0.2, 0.3, 0.4)


def _restart(index: int, score: float | None, *variances: float, failure: str | None = None) -> ScoredRestart:
    return ScoredRestart(index=index, score=score, unit_variances=variances or (() if failure else ACTIVE), failure=failure)


def _restarts(*scores: float) -> list[ScoredRestart]:
    return [_restart(index, score) for index, score in enumerate(scores)]


def test_the_best_and_the_worst_scores_are_selected() -> None:
    found = select(_restarts(0.3, 0.1, 0.5, 0.2), SelectionConfig(), factors=4)
    assert (found.disentangled, found.entangled, found.set_aside) == ((2,), (1,), {})


def test_each_group_starts_with_the_most_extreme_score_and_the_groups_are_disjoint() -> None:
    found = select(_restarts(0.3, 0.1, 0.5, 0.2, 0.4), SelectionConfig(keep=2), factors=4)
    assert found.disentangled == (2, 4)
    assert found.entangled == (1, 3)


def test_exactly_enough_restarts_are_divided_between_the_groups() -> None:
    found = select(_restarts(0.3, 0.1, 0.5, 0.2), SelectionConfig(keep=2), factors=4)
    assert (found.disentangled, found.entangled) == ((2, 0), (1, 3))


@pytest.mark.parametrize(
    ("scores", "disentangled", "entangled"),
    [
        ((0.4, 0.4, 0.4), 0, 2),
        ((0.1, 0.4, 0.4), 1, 0),
        ((0.4, 0.1, 0.1), 0, 2),
    ],
)
def test_ties_are_broken_in_favour_of_the_lower_index(scores: tuple[float, ...], disentangled: int, entangled: int) -> None:
    for restarts in (_restarts(*scores), _restarts(*scores)[::-1]):
        found = select(restarts, SelectionConfig(), factors=4)
        assert (found.disentangled, found.entangled) == ((disentangled,), (entangled,))


def test_failed_and_over_pruned_restarts_are_set_aside_with_their_reasons() -> None:
    restarts = [
        _restart(0, None, failure="loss is NaN at step 12"),
        _restart(1, 0.9, 0.1, 0.85, 0.9, 0.2),
        *(_restart(index, score) for index, score in ((2, 0.3), (3, 0.4))),
    ]
    found = select(restarts, SelectionConfig(), factors=4)
    assert (found.disentangled, found.entangled) == ((3,), (2,))
    assert found.set_aside == {
        0: "failed (loss is NaN at step 12)",
        1: "over-pruned (2 active units, mean posterior variance < 0.8, for 4 factors)",
    }


def test_a_unit_at_the_limit_is_pruned_and_one_below_it_is_not() -> None:
    restarts = [_restart(0, 0.9, 0.1, 0.5), _restart(1, 0.5, 0.1, 0.499), _restart(2, 0.3, 0.1, 0.1)]
    found = select(restarts, SelectionConfig(max_unit_variance=0.5), factors=2)
    assert found.set_aside == {0: "over-pruned (1 active units, mean posterior variance < 0.5, for 2 factors)"}


@pytest.mark.parametrize(
    ("variances", "factors", "expected"),
    [
        ((0.1, 0.2, 0.3, 0.4), 4, False),
        ((0.1, 0.2, 0.3, 0.9), 4, True),
        ((0.1, 0.2, 0.3, 0.9, 1.0, 1.0), 3, False),
        ((0.1, 0.2, 0.9, 0.9, 1.0, 1.0), 3, True),
        ((0.1, 0.2), 3, False),
        ((0.1, 0.9), 3, True),
        ((), 3, False),
    ],
    ids=["all", "one short", "spare units", "spare units and one short", "fewer units", "fewer, one short", "no units"],
)
def test_over_pruned_means_fewer_active_units_than_factors(
    variances: tuple[float, ...], factors: int, expected: bool
) -> None:
    assert over_pruned(variances, limit=0.8, factors=factors) == expected


def test_a_restart_may_leave_unused_units_that_no_factor_needs() -> None:
    spare = (0.1, 0.2, 0.9, 1.0)
    restarts = [_restart(0, 0.9, *spare), _restart(1, 0.1, *spare), _restart(2, 0.99, 0.1, 0.9, 0.9, 1.0)]
    found = select(restarts, SelectionConfig(), factors=2)
    assert (found.disentangled, found.entangled, list(found.set_aside)) == ((0,), (1,), [2])


def test_too_few_eligible_restarts_are_reported_with_numbers_reasons_and_advice() -> None:
    restarts = [
        _restart(0, None, failure="loss is NaN"),
        _restart(1, 0.9, 0.95, 0.1),
        *(_restart(index, 0.3) for index in (2, 3, 4)),
    ]
    with pytest.raises(UserError) as caught:
        select(restarts, SelectionConfig(keep=2), factors=4)
    message = str(caught.value)
    assert "selection needs 4 eligible restarts (2 × selection.keep), and 3 of 5 are" in message
    assert "restart 0: failed (loss is NaN)" in message
    assert "restart 1: over-pruned (1 active units, mean posterior variance < 0.8, for 4 factors)" in message
    assert "raise restarts.num, lower restarts.objective.beta, or lower selection.keep" in message
    assert "\n" not in message


def test_a_selection_can_be_read_back_from_a_manifest(tmp_path: Path) -> None:
    restarts = [*_restarts(0.3, 0.1, 0.5), _restart(3, None, failure="loss is NaN")]
    found = select(restarts, SelectionConfig(), factors=4)
    write_json(tmp_path / MANIFEST, {"result": asdict(found)})
    assert read_result(tmp_path, Selection) == found
    assert (found.disentangled, found.entangled) == ((2,), (1,))
    assert found.set_aside == {3: "failed (loss is NaN)"}
    assert found.scores == {0: 0.3, 1: 0.1, 2: 0.5, 3: None}
