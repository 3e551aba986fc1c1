"""Rows as tables: the thesis's Tables 4.2 to 4.5 for people, CSV and Markdown for files, rich for the terminal."""

import csv
import io
from collections.abc import Sequence

from rich.table import Table

from perturb.evaluation.printed import Cell, PrintedTable, markdown_lines, plain_table, rich_table
from perturb.evaluation.statistics import BASELINE, Comparison, Row
from perturb.evaluation.thesis import Beside
from perturb.metrics import METRICS


def as_csv(rows: Sequence[Row]) -> str:
    """One line a row, with every field; draws as `0:-0.31 1:-0.27`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0].as_json()), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        by_draw = " ".join(f"{draw}:{difference!r}" for draw, difference in row.by_draw)
        writer.writerow(row.as_json() | {"by_draw": by_draw})
    return text.getvalue()


def as_markdown(rows: Sequence[Row], *, thesis: Beside | None = None) -> str:
    """A table for each metric in the layout of Table 4.2, then the paired differences."""
    parts = []
    for table in score_tables(rows, thesis=thesis):
        parts += [f"### {table.title}", "", *markdown_lines(table), ""]
    differences = difference_table(rows)
    return "\n".join([*parts, f"### {differences.title}", "", *markdown_lines(differences)]) + "\n"


def as_terminal(rows: Sequence[Row], *, title: str, thesis: Beside | None = None) -> list[Table]:
    """A rich table for each metric; under each mean its difference to the original with its interval."""
    return [rich_table(table) for table in score_tables(rows, title=title, thesis=thesis, compared=True)]


def score_tables(
    rows: Sequence[Row], *, title: str = "", thesis: Beside | None = None, compared: bool = False
) -> list[PrintedTable]:
    """A table for each metric: methods down, variants across, mean ± standard deviation over runs.

    Args:
        rows: of `summarise`.
        title: added to the metric's.
        thesis: numbers to show beside ours.
        compared: whether a cell also tells its difference to the original, or, of the original, its number of runs.

    """
    return [
        _score_table([row for row in rows if row.metric == metric], metric, title=title, thesis=thesis, compared=compared)
        for metric in dict.fromkeys(row.metric for row in rows)
    ]


def _score_table(rows: Sequence[Row], metric: str, *, title: str, thesis: Beside | None, compared: bool) -> PrintedTable:
    cells = {(row.method, row.variant): _cell(row, thesis, compared=compared) for row in rows}
    variants = tuple(dict.fromkeys(row.variant for row in rows))
    return PrintedTable(
        title=", ".join(part for part in (METRICS[metric].title, title) if part),
        corner="Method",
        columns=variants,
        lines=tuple(
            (method, tuple(cells.get((method, variant), Cell("–")) for variant in variants))
            for method in dict.fromkeys(row.method for row in rows)
        ),
    )


def difference_table(rows: Sequence[Row]) -> PrintedTable:
    """Every variant's difference to the original, with its interval, and that of each draw where there are several."""
    header = ["Method", "Variant", "Metric", "Difference", "95 % interval", "Pairs"]
    compared = [row for row in rows if row.variant != BASELINE]
    lines = [
        [row.method, row.variant, METRICS[row.metric].title, signed(row.difference), interval(row), str(row.pairs)]
        for row in compared
    ]
    note = ""
    if any(1 < row.draws < row.n for row in compared):
        header.append("By draw")
        lines = [[*line, ", ".join(signed(mean) for _, mean in row.by_draw)] for line, row in zip(lines, compared)]
        note = "Intervals over several draws resample draws and seeds; three draws tell little of how others would fall."
    elif any(row.draws > 1 for row in compared):
        note = "Each seed met a pattern of its own: the intervals are over seeds and patterns."
    return plain_table("Differences to the original, paired by seed", header, lines, note=note)


def score(row: Row) -> str:
    """`0.60 ± 0.31`."""
    if row.mean is None:
        return f"all {row.failed} failed"
    return spread(row.mean, row.std)


def spread(mean: float, std: float | None, *, places: int = 2) -> str:
    """`0.60 ± 0.31`, or `0.60` where there is no deviation; a real minus."""
    shown = f"{mean:,.{places}f}" + (f" ± {std:,.{places}f}" if std is not None else "")
    return shown.replace("-", "−")


def remarks(row: Row) -> list[str]:
    """What must not be overlooked beside a score."""
    draws = [f"{row.draws} draws"] if 1 < row.draws < row.n else []
    failed = [f"{row.failed} failed"] if row.failed and row.mean is not None else []
    return draws + failed + ([f"{row.over_pruned} over-pruned"] if row.over_pruned else [])


def _cell(row: Row, thesis: Beside | None, *, compared: bool) -> Cell:
    printed = thesis.get(row.metric, row.method, row.variant) if thesis else None
    against = [f"n = {row.n}"] if row.difference is None else [signed(row.difference), interval(row)]
    details = tuple([*(against if compared else []), *remarks(row)])
    if printed is None:
        return Cell(score(row), details)
    return Cell(score(row), details, beside=spread(*printed), source=thesis.label)


def signed(value: float | None) -> str:
    """With its sign, a real minus."""
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


def comparison_table(comparisons: Sequence[Comparison]) -> PrintedTable:
    """Two variants other than the original, a line a method."""
    lines = [
        [c.method, METRICS[c.metric].title, signed(c.difference), interval(c), str(c.seeds), " and ".join(map(str, c.draws))]
        for c in comparisons
    ]
    named = dict.fromkeys(f"{c.first} − {c.second}" for c in comparisons)
    return plain_table(", ".join(named), ["Method", "Metric", "Difference", "95 % interval", "Seeds", "Draws"], lines)


def interval(row: Row | Comparison) -> str:
    """`[−0.43, −0.31]`."""
    return "–" if row.ci_low is None else f"[{signed(row.ci_low)}, {signed(row.ci_high)}]"
