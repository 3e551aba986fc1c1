"""Rows as tables: the thesis's Tables 4.2 to 4.5 for readers, CSV and Markdown for files, rich for the terminal."""

import csv
import io
from collections.abc import Sequence

from rich.table import Table

from perturb.escapes import in_csv, in_markdown
from perturb.metrics import METRICS
from perturb.report.table import Cell, TextTable, markdown_lines, plain_table, rich_table
from perturb.report.thesis import ThesisNumbers
from perturb.report.words import interval, may_be_chance, probability, share, signed
from perturb.statistics.scores import BASELINE, Comparison, Row


def as_csv(rows: Sequence[Row]) -> str:
    """Format rows as CSV, one line per row with every field; draws as `0:-0.31 1:-0.27`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0].as_json()), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        by_draw = " ".join(f"{draw}:{difference!r}" for draw, difference in row.by_draw)
        writer.writerow({name: in_csv(value) for name, value in (row.as_json() | {"by_draw": by_draw}).items()})
    return text.getvalue()


def as_markdown(rows: Sequence[Row], *, thesis: ThesisNumbers | None = None) -> str:
    """Format a table for each metric in the layout of Table 4.2, then the paired differences."""
    parts = []
    for table in score_tables(rows, thesis=thesis):
        parts += [f"### {in_markdown(table.title)}", "", *markdown_lines(table), ""]
    differences = difference_table(rows)
    return "\n".join([*parts, f"### {in_markdown(differences.title)}", "", *markdown_lines(differences)]) + "\n"


def as_terminal(rows: Sequence[Row], *, title: str, thesis: ThesisNumbers | None = None) -> list[Table]:
    """Return a rich table for each metric; below each mean is its difference from the original with its interval."""
    return [rich_table(table) for table in score_tables(rows, title=title, thesis=thesis, compared=True)]


def score_tables(
    rows: Sequence[Row], *, title: str = "", thesis: ThesisNumbers | None = None, compared: bool = False
) -> list[TextTable]:
    """Build a table for each metric, with methods as rows and variants as columns: mean ± standard deviation over runs.

    Args:
        rows: Rows from `summarise`.
        title: Text to append to the metric's title.
        thesis: The thesis's numbers to show beside ours.
        compared: Whether to show the difference from the original, and in the original's column the number of runs.

    """
    return [
        _score_table([row for row in rows if row.metric == metric], metric, title=title, thesis=thesis, compared=compared)
        for metric in dict.fromkeys(row.metric for row in rows)
    ]


def _score_table(rows: Sequence[Row], metric: str, *, title: str, thesis: ThesisNumbers | None, compared: bool) -> TextTable:
    cells = {(row.method, row.variant): _cell(row, thesis, compared=compared) for row in rows}
    variants = tuple(dict.fromkeys(row.variant for row in rows))
    return TextTable(
        title=", ".join(part for part in (METRICS[metric].title, title) if part),
        corner="Method",
        columns=variants,
        lines=tuple(
            (method, tuple(cells.get((method, variant), Cell("–")) for variant in variants))
            for method in dict.fromkeys(row.method for row in rows)
        ),
    )


def difference_table(rows: Sequence[Row]) -> TextTable:
    """Build a table of every variant's change from the original, with interval and p-values, and by draw if several."""
    header = ["Method", "Variant", "Metric", "Change", *CERTAINTY, "Pairs"]
    compared = [row for row in rows if row.variant != BASELINE]
    lines = [
        [row.method, row.variant, METRICS[row.metric].title, signed(row.difference), *_certainty(row), str(row.pairs)]
        for row in compared
    ]
    note = ""
    if any(1 < row.draws < row.n for row in compared):
        header.append("By pattern")
        lines = [[*line, ", ".join(signed(mean) for _, mean in row.by_draw)] for line, row in zip(lines, compared)]
        note = "Where seeds share a pattern, intervals are over patterns: three of them say little about other patterns."
    elif any(row.draws > 1 for row in compared):
        note = "Each seed has its own pattern: the intervals are over seeds and patterns."
    return plain_table("Variant − original, paired by seed", header, lines, note=note)


def score(row: Row) -> str:
    """Format a score as `0.60 ± 0.31`; a dash if the metric is not defined for any run."""
    if row.mean is None:
        return "–" if row.refused else f"all {row.failed} failed"
    return spread(row.mean, row.std)


def spread(mean: float, std: float | None, *, places: int = 2) -> str:
    """Format mean and deviation as `0.60 ± 0.31`, or `0.60` without a deviation, with a proper minus sign."""
    shown = f"{mean:,.{places}f}" + (f" ± {std:,.{places}f}" if std is not None else "")
    return shown.replace("-", "−")


def remarks(row: Row) -> list[str]:
    """Return remarks that must be read with a score."""
    draws = [f"{row.draws} patterns"] if 1 < row.draws < row.n else []
    failed = [f"{row.failed} failed"] if row.failed and (row.mean is not None or row.refused) else []
    failed += [f"{row.refused} without a value"] if row.refused else []
    return draws + failed + ([f"{row.over_pruned} over-pruned"] if row.over_pruned else [])


def _cell(row: Row, thesis: ThesisNumbers | None, *, compared: bool) -> Cell:
    printed = thesis.get(row.metric, row.method, row.variant) if thesis else None
    against = [f"n = {row.n}"] if row.difference is None else [signed(row.difference), interval(row), *_retained(row)]
    details = (*(against if compared else []), *remarks(row))
    if printed is None:
        return Cell(score(row), details)
    return Cell(score(row), details, beside=spread(*printed), source="thesis")


def _retained(row: Row) -> list[str]:
    """Return `keeps 27%`, if higher is better and the original's mean is positive."""
    return [f"keeps {share(row.retained)}"] if row.retained is not None and METRICS[row.metric].higher_is_better else []


CERTAINTY = "95 % interval", "p", "p, Holm"
"""Columns that show how certain a change is."""


def _certainty(found: Row | Comparison) -> list[str]:
    """Return the interval and p-values, with the verdict beside the p-value that determines it."""
    verdict = " (may be chance)" if may_be_chance(found) else ""
    if found.p_holm is None:
        return [interval(found), probability(found.p) + verdict, "–"]
    return [interval(found), probability(found.p), probability(found.p_holm) + verdict]


def comparison_table(comparisons: Sequence[Comparison]) -> TextTable:
    """Build a table that compares two variants other than the original, one line per method."""
    lines = [
        [c.method, METRICS[c.metric].title, signed(c.difference), *_certainty(c), str(c.seeds), _patterns(c)]
        for c in comparisons
    ]
    named = dict.fromkeys(f"{c.first} − {c.second}" for c in comparisons)
    return plain_table(", ".join(named), ["Method", "Metric", "Change", *CERTAINTY, "Seeds", "Patterns"], lines)


def _patterns(found: Comparison) -> str:
    return " and ".join(map(str, found.draws))


def contrast_table(contrasts: Sequence[Comparison]) -> TextTable:
    """Build a table of the primary contrasts, one line each."""
    header = ["Contrast", "Methods", "Metric", "Change", "95 % interval", "p", "Seeds", "Patterns"]
    lines = [
        [
            f"{c.first} − {c.second}", ", ".join(c.methods), METRICS[c.metric].title, signed(c.difference), interval(c),
            probability(c.p), str(c.seeds), _patterns(c),
        ]
        for c in contrasts
    ]  # fmt: skip
    return plain_table("First − second, mean over the methods, paired by seed", header, lines)
