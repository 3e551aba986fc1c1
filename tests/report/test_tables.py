import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from markdown_read import html_of, tables_of
from rich.console import Console

from perturb.report.table import Cell, plain_table, rich_table
from perturb.report.tables import (
    as_csv,
    as_markdown,
    as_terminal,
    comparison_table,
    contrast_table,
    score_tables,
)
from perturb.report.thesis import ThesisNumbers, thesis_numbers
from perturb.report.words import interval, probability, signed
from perturb.statistics.scores import Comparison, Row, Score, summarise


def _row(method: str = "AE", variant: str = "original", **fields: Any) -> Row:
    values: dict[str, Any] = {"mean": 0.6, "std": 0.31, "n": 10, "failed": 0, "over_pruned": 0, "pairs": 10}
    values |= {"difference": None, "ci_low": None, "ci_high": None} | fields
    return Row(method=method, variant=variant, metric="mig", **values)


def _four(first: str = "AE", second: str = "β-VAE") -> list[Row]:
    """Two methods, two variants."""
    return [
        _row(first),
        _row(first, "modified", mean=0.05, std=0.02, n=9, failed=1, difference=-0.5512, ci_low=-0.62, ci_high=-0.48),
        _row(second, mean=0.123456789, std=None, n=1, failed=9, over_pruned=1),
        _row(second, "modified", mean=None, std=None, n=0, failed=10),
    ]


def _as_text(rows: list[Row], *, width: int = 120, thesis: ThesisNumbers | None = None) -> str:
    console = Console(file=io.StringIO(), width=width)
    for table in as_terminal(rows, title="tiny", thesis=thesis):
        console.print(table)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("value", "text"), [(0.314, "+0.31"), (-0.426, "−0.43"), (0.0, "+0.00"), (1.5, "+1.50"), (None, "–")]
)
def test_signed_numbers_use_a_real_minus_sign(value: float | None, text: str) -> None:
    assert signed(value) == text


def test_an_interval_is_in_brackets_or_a_dash_if_missing() -> None:
    assert interval(_row(ci_low=-0.426, ci_high=0.31)) == "[−0.43, +0.31]"
    assert interval(_row()) == "–"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "0.60 ± 0.31"),
        ({"std": None, "n": 1}, "0.60"),
        ({"failed": 2}, "0.60 ± 0.31, 2 failed"),
        ({"failed": 2, "over_pruned": 3}, "0.60 ± 0.31, 2 failed, 3 over-pruned"),
        ({"mean": None, "std": None, "n": 0, "failed": 10}, "all 10 failed"),
    ],
)
def test_a_cell_reports_failed_and_over_pruned_runs(fields: dict[str, Any], text: str) -> None:
    ((line,), *_) = tables_of(as_markdown([_row(**fields)])).values()
    assert line["original"] == text


def test_the_csv_has_every_field_of_every_row() -> None:
    rows = _four()
    lines = list(csv.DictReader(io.StringIO(as_csv(rows))))
    expected = [
        {key: "" if value in (None, ()) else str(value) for key, value in row.as_json().items()} | {"by_draw": ""}
        for row in rows
    ]
    assert lines == expected
    assert float(lines[2]["mean"]) == 0.123456789


def test_the_csv_quotes_a_method_name_with_a_comma() -> None:
    (line,) = csv.DictReader(io.StringIO(as_csv([_row('AE, "large"')])))
    assert line["method"] == 'AE, "large"'


def test_the_markdown_table_has_methods_as_rows_and_variants_as_columns() -> None:
    assert tables_of(as_markdown(_four()))["MIG"] == [
        {"Method": "AE", "original": "0.60 ± 0.31", "modified": "0.05 ± 0.02, 1 failed"},
        {"Method": "β-VAE", "original": "0.12, 9 failed, 1 over-pruned", "modified": "all 10 failed"},
    ]


def test_the_markdown_differences_leave_out_the_original() -> None:
    found = tables_of(as_markdown(_four()))["Variant − original, paired by seed"]
    assert [(line["Method"], line["Variant"], line["Metric"]) for line in found] == [
        ("AE", "modified", "MIG"),
        ("β-VAE", "modified", "MIG"),
    ]
    assert [(line["Change"], line["95 % interval"]) for line in found] == [("−0.55", "[−0.62, −0.48]"), ("–", "–")]


@pytest.mark.parametrize(
    ("original", "modified", "pairs"),
    [
        ((0.1, 0.2, 0.3), (0.1, 0.2, 0.4), "3"),
        ((0.1, None, 0.3), (0.1, None, 0.4), "2"),
        ((None, 0.2, 0.3), (0.1, 0.2, None), "1"),
        ((None, 0.2), (0.1, None), "0"),
    ],
)
def test_the_markdown_counts_the_pairs_behind_each_difference(
    original: tuple[float | None, ...], modified: tuple[float | None, ...], pairs: str
) -> None:
    scores = [
        Score(
            method="AE",
            variant=variant,
            seed=seed,
            values=None if value is None else {"mig": value},
            failure="loss is NaN" if value is None else None,
        )
        for variant, values in (("original", original), ("modified", modified))
        for seed, value in enumerate(values)
    ]
    rows = summarise(scores, ["mig"])
    (line,) = tables_of(as_markdown(rows))["Variant − original, paired by seed"]
    assert line["Pairs"] == pairs


HOSTILE = ["AE | large", "<img src=x onerror=alert(1)>", "`a` *b* [c](http://d)", "- x", "a\\", "[/red]:skull: $x$", "=1+1"]


@pytest.mark.parametrize("name", HOSTILE)
def test_special_characters_in_a_name_are_shown_literally_in_markdown_csv_and_terminal(name: str) -> None:
    text = as_markdown(_four(first=name))
    assert [line["Method"] for line in tables_of(text)["MIG"]] == [name, "β-VAE"]
    assert "<img" not in html_of(text)
    (first, *_) = csv.DictReader(io.StringIO(as_csv(_four(first=name))))
    assert first["method"] == (f"'{name}" if name[0] in "=-" else name)
    assert f" {name} " in _as_text(_four(first=name))


def test_negative_numbers_are_not_quoted_in_the_csv() -> None:
    assert "'" not in as_csv(_four())
    assert {line["difference"] for line in csv.DictReader(io.StringIO(as_csv(_four())))} == {"", "-0.5512"}


def test_the_terminal_shows_methods_means_and_differences() -> None:
    text = _as_text(_four())
    assert "MIG, tiny" in text
    for part in ("Method", "original", "modified", "AE", "β-VAE"):
        assert part in text
    for part in (
        "0.60 ± 0.31",
        "n = 10",
        "0.05 ± 0.02",
        "1 failed",
        "−0.55",
        "[−0.62, −0.48]",
        "0.12",
        "n = 1",
        "all 10 failed",
    ):
        assert part in text


@pytest.mark.parametrize("name", ["AE [large]", "AE [/large]", "AE [bold]x[/bold]"])
def test_the_terminal_shows_a_method_name_with_brackets_unchanged(name: str) -> None:
    assert name in _as_text(_four(first=name))


def test_four_variants_fit_an_eighty_column_terminal() -> None:
    compared = {"difference": -0.31, "ci_low": -0.42, "ci_high": -0.2}
    rows = [_row("β-VAE"), *(_row("β-VAE", name, **compared) for name in ("modified", "noise", "untrained"))]
    text = _as_text(rows, width=80)
    assert "…" not in text
    assert text.count("[−0.42, −0.20]") == 3
    assert "β-VAE" in text


def test_the_thesis_numbers_are_shown_where_the_thesis_has_them() -> None:
    thesis = thesis_numbers("shapes3d", {"AE": "autoencoder"})
    markdown = tables_of(as_markdown(_four(), thesis=thesis))["MIG"]
    assert markdown[0] == {
        "Method": "AE",
        "original": "0.60 ± 0.31 (thesis: 0.06 ± 0.03)",
        "modified": "0.05 ± 0.02, 1 failed (thesis: 0.05 ± 0.03)",
    }
    assert "thesis" not in "".join(markdown[1].values())
    text = _as_text(_four(), thesis=thesis)
    assert "(0.06 ± 0.03)" in text
    assert "in brackets: thesis" in text


def test_each_number_names_its_source_if_numbers_come_from_several() -> None:
    table = plain_table("A table", ["Name", "x", "y"], [["a", "1", "2"]])
    named = replace(table, lines=(("a", (Cell("1", (), "3", "here"), Cell("2", (), "4", "there"))),))
    console = Console(file=io.StringIO(), width=120)
    console.print(rich_table(named))
    assert "here:" in console.file.getvalue()
    assert "(4)" in console.file.getvalue()


def test_a_cell_without_scores_is_a_dash() -> None:
    rows = [_row("AE"), _row("AE", "modified"), _row("β-VAE")]
    (table,) = score_tables(rows)
    assert table.lines[1][1][1].text == "–"


def test_a_row_that_does_not_fit_the_columns_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"must fit 1 columns, in 'A table' \['x'\] do not"):
        plain_table("A table", ["Name", "Value"], [["x", "1", "2"]])


def test_several_patterns_are_reported_in_csv_and_markdown() -> None:
    rows = [
        _row(),
        _row("AE", "modified", difference=-0.25, ci_low=-0.4, ci_high=-0.1, draws=2, by_draw=((0, -0.3), (1, -0.2))),
    ]
    assert [line["by_draw"] for line in csv.DictReader(io.StringIO(as_csv(rows)))] == ["", "0:-0.3 1:-0.2"]
    tables = tables_of(as_markdown(rows).split("Where seeds share")[0])
    assert tables["MIG"][0]["modified"] == "0.60 ± 0.31, 2 patterns"
    assert tables["Variant − original, paired by seed"][0]["By pattern"] == "−0.30, −0.20"
    assert "three of them say little" in as_markdown(rows)


def test_patterns_are_not_listed_where_every_run_has_its_own() -> None:
    rows = [_row(), _row("AE", "modified", difference=-0.25, n=2, draws=2, by_draw=((0, -0.3), (1, -0.2)))]
    text = as_markdown(rows)
    assert "Each seed has its own pattern" in text
    assert "2 patterns" not in text
    assert "By pattern" not in text


def test_two_variants_are_compared_in_a_separate_table() -> None:
    found = Comparison(
        method="AE", methods=("AE",), metric="mig", first="modified", second="untrained", difference=-0.05, ci_low=-0.1,
        ci_high=0.02, p=0.1, p_holm=0.4, seeds=10, draws=(3, 3),
    )  # fmt: skip
    table = comparison_table([found])
    assert table.title == "modified − untrained"
    ((name, cells),) = table.lines
    expected = ["AE", "MIG", "−0.05", "[−0.10, +0.02]", "0.100", "0.400 (may be chance)", "10", "3 and 3"]
    assert [name, *(cell.text for cell in cells)] == expected


def test_each_primary_contrast_has_a_row_that_names_its_methods() -> None:
    found = Comparison(
        method="mean of 2 methods", methods=("A", "B"), metric="mig", first="modified", second="original", difference=-0.4,
        ci_low=-0.5, ci_high=-0.3, p=0.00001, seeds=10, draws=(10, 1),
    )  # fmt: skip
    ((name, cells),) = contrast_table([found]).lines
    expected = ["modified − original", "A, B", "MIG", "−0.40", "[−0.50, −0.30]", "<0.001", "10", "10 and 1"]
    assert [name, *(cell.text for cell in cells)] == expected


@pytest.mark.parametrize(("p", "text"), [(0.0431, "0.043"), (1.0, "1.000"), (0.0001, "<0.001"), (None, "–")])
def test_p_values_have_three_decimals(p: float | None, text: str) -> None:
    assert probability(p) == text


def test_a_cell_states_the_retained_share() -> None:
    compared = {"difference": -0.4, "ci_low": -0.5, "ci_high": -0.3}
    rows = [_row(), _row("AE", "modified", mean=0.2, retained=1 / 3, **compared), _row("AE", "noise", **compared)]
    (table,) = score_tables(rows, compared=True)
    ((_, cells),) = table.lines
    assert [cell.details[2:] for cell in cells] == [(), ("keeps 33%",), ()]
