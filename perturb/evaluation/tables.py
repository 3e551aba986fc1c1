"""Rows as tables: the thesis's Table 4.2 for people, CSV and Markdown for files, rich for the terminal."""

import csv
import io
from collections.abc import Callable, Sequence

from rich.markup import escape
from rich.table import Table

from perturb.evaluation.statistics import BASELINE, Row
from perturb.metrics import METRICS


def as_csv(rows: Sequence[Row]) -> str:
    """One line a row, with every field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0].as_json()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.as_json() for row in rows)
    return text.getvalue()


def as_markdown(rows: Sequence[Row]) -> str:
    """A table for each metric in the layout of Table 4.2, then the paired differences."""
    parts = []
    for metric in dict.fromkeys(row.metric for row in rows):
        header, *lines = _grid([row for row in rows if row.metric == metric], cell)
        parts += [f"### {METRICS[metric].title}", "", _markdown_line(header), _markdown_line(["---"] * len(header))]
        parts += [*map(_markdown_line, lines), ""]
    parts += ["### Differences to the original, paired by seed", ""]
    parts += [_markdown_line(["Method", "Variant", "Metric", "Difference", "95 % interval", "Pairs"])]
    parts += [_markdown_line(["---"] * 6)]
    for row in rows:
        if row.variant != BASELINE:
            title = METRICS[row.metric].title
            parts.append(
                _markdown_line([row.method, row.variant, title, signed(row.difference), interval(row), str(row.pairs)])
            )
    return "\n".join(parts) + "\n"


def as_terminal(rows: Sequence[Row], *, title: str) -> list[Table]:
    """A rich table for each metric; under each mean its difference to the original with its interval."""
    tables = []
    for metric in dict.fromkeys(row.metric for row in rows):
        chosen = [row for row in rows if row.metric == metric]
        header, *lines = _grid(chosen, _terminal_cell)
        table = Table(title=f"{METRICS[metric].title}, {title}", title_justify="left", show_lines=True)
        table.add_column(header[0], no_wrap=True)
        for name in header[1:]:
            table.add_column(name, justify="right", no_wrap=True)
        for line in lines:
            table.add_row(*map(escape, line))
        tables.append(table)
    return tables


def _grid(rows: Sequence[Row], text: Callable[[Row], str]) -> list[list[str]]:
    """Header and lines: methods down, variants across."""
    variants = list(dict.fromkeys(row.variant for row in rows))
    lines = [["Method", *variants]]
    for method in dict.fromkeys(row.method for row in rows):
        cells = {row.variant: text(row) for row in rows if row.method == method}
        lines.append([method, *(cells[variant] for variant in variants)])
    return lines


def score(row: Row) -> str:
    """`0.60 ± 0.31`."""
    if row.mean is None:
        return f"all {row.failed} failed"
    return f"{row.mean:.2f} ± {row.std:.2f}" if row.std is not None else f"{row.mean:.2f}"


def remarks(row: Row) -> list[str]:
    """What must not be overlooked beside a score."""
    failed = [f"{row.failed} failed"] if row.failed and row.mean is not None else []
    return failed + ([f"{row.over_pruned} over-pruned"] if row.over_pruned else [])


def cell(row: Row) -> str:
    """`0.60 ± 0.31, 1 failed`."""
    return ", ".join([score(row), *remarks(row)])


def _terminal_cell(row: Row) -> str:
    """The score, below it its difference to the original or the number of runs, then the remarks."""
    compared = f"n = {row.n}" if row.difference is None else f"{signed(row.difference)}\n{interval(row)}"
    return "\n".join([score(row), compared, *remarks(row)])


def signed(value: float | None) -> str:
    """With its sign, a real minus."""
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


def interval(row: Row) -> str:
    """`[−0.43, −0.31]`."""
    return "–" if row.ci_low is None else f"[{signed(row.ci_low)}, {signed(row.ci_high)}]"


def _markdown_line(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
