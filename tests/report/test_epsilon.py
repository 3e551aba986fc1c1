"""Results of one experiment at several ε, side by side."""

import json
from pathlib import Path

import pytest

from perturb.errors import UserError
from perturb.report.epsilon import draw_epsilon, epsilon_table, made_of, read_results
from perturb.statistics.scores import compare, summarise
from tests.helpers.made_scores import made_scores


def _results(
    folder: Path,
    epsilon: float,
    left: float,
    dataset: str = "mini",
    more: str = "",
    controls: tuple[str, ...] = ("untrained",),
) -> Path:
    scores = [
        *made_scores("β-VAE", "original", 0.8, 0.7, 0.6),
        *made_scores("β-VAE", "modified", left, left + 0.1, left),
        *(score for control in controls for score in made_scores("β-VAE", control, 0.5, 0.6, 0.4)),
        *(score for v in ("original", "modified", "untrained") if more for score in made_scores(more, v, 0.8, 0.7, 0.6)),
    ]
    found = {
        "dataset": dataset,
        "epsilon": epsilon,
        "share": epsilon,
        "provenance": {"config": f"hash of {epsilon}", "torch": "2", "pixels (sha256)": "many digits"},
        "rows": [row.as_json() for row in summarise(scores, ["mig"])],
        "comparisons": [c.as_json() for v in controls for c in compare(scores, "mig", first="modified", second=v)],
    }
    path = folder / f"{epsilon}.json"
    path.write_text(json.dumps(found))
    return path


def test_the_epsilon_table_has_a_row_per_epsilon_in_increasing_order(tmp_path: Path) -> None:
    found = read_results([_results(tmp_path, 0.25, 0.1), _results(tmp_path, 0.125, 0.3)])
    table = epsilon_table(found, "mig")
    assert [name for name, _ in table.lines] == ["β-VAE, ε = 0.125", "β-VAE, ε = 0.25"]
    assert table.columns == ("share of variance", "original", "modified", "untrained", "modified − untrained")
    assert [cells[0].text for _, cells in table.lines] == ["12%", "25%"]
    assert [cells[2].text for _, cells in table.lines] == ["0.33 ± 0.06", "0.13 ± 0.06"]
    assert [cells[4].text for _, cells in table.lines] == ["−0.17", "−0.37"]
    assert made_of(found) == [
        "ε = 0.125: config hash of 0.125, torch 2",
        "ε = 0.25: config hash of 0.25, torch 2",
    ]


def test_every_control_has_a_difference_column_with_a_dash_where_it_was_not_run(tmp_path: Path) -> None:
    both = _results(tmp_path, 0.25, 0.1, controls=("untrained", "untrained_in_span"))
    table = epsilon_table(read_results([both, _results(tmp_path, 0.125, 0.3)]), "mig")
    assert table.columns[4:] == ("untrained_in_span", "modified − untrained", "modified − untrained_in_span")
    assert [[cell.text for cell in cells[4:]] for _, cells in table.lines] == [
        ["–", "−0.17", "–"],
        ["0.50 ± 0.10", "−0.37", "−0.37"],
    ]


def test_a_method_not_trained_at_every_epsilon_is_left_out(tmp_path: Path) -> None:
    found = read_results([_results(tmp_path, 0.25, 0.1, more="FactorVAE"), _results(tmp_path, 0.125, 0.3)])
    assert [name for name, _ in epsilon_table(found, "mig").lines] == ["β-VAE, ε = 0.125", "β-VAE, ε = 0.25"]


def test_the_epsilon_figure_is_deterministic(tmp_path: Path) -> None:
    found = read_results([_results(tmp_path, 0.25, 0.1), _results(tmp_path, 0.125, 0.3)])
    for name in ("a.png", "b.png"):
        draw_epsilon(tmp_path / name, found, "mig")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_results_that_cannot_be_compared_over_epsilon_are_refused(tmp_path: Path) -> None:
    first = _results(tmp_path, 0.25, 0.1)
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match=r"must be of one dataset, and these are of mini, shapes3d\.$"):
        read_results([first, _results(tmp_path, 0.125, 0.1, dataset="shapes3d")])
    with pytest.raises(UserError, match=r"both have ε = 0\.25; give one of them\.$"):
        read_results([first, _results(tmp_path / "other", 0.25, 0.1)])
    (tmp_path / "stranger").mkdir()
    stranger = _results(tmp_path / "stranger", 0.125, 0.1)
    stranger.write_text(stranger.read_text().replace("\\u03b2-VAE", "another"))
    with pytest.raises(UserError, match=r"^results must have a method in common, by its name; these have none\.$"):
        read_results([first, stranger])
    with pytest.raises(UserError, match=r"absent\.json: no such file"):
        read_results([tmp_path / "absent.json"])
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(UserError, match=r"list\.json: lacks dataset, epsilon"):
        read_results([tmp_path / "list.json"])
