"""A table of text, and its rendering as Markdown and in the terminal; the page has its own template."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from perturb.escapes import in_markdown, in_terminal

LETTERS = 46, 96
"""Number of characters per line that fit into one and into two columns of the page, at its usual width."""
GAP = 3
"""Width of the space between two cells, in characters."""


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    details: tuple[str, ...] = ()
    """Remarks that must be read with the text."""
    beside: str = ""
    """A published number to compare with; empty if there is none."""
    source: str = ""
    """The source of that number."""


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table of text with a header and named lines."""

    title: str
    corner: str
    """Heading of the column with the lines' names."""
    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Cell, ...]], ...]
    """Name and cells of each line, one cell per column."""
    note: str = ""
    """A remark on the whole table."""

    def __post_init__(self) -> None:
        wrong = [name for name, cells in self.lines if len(cells) != len(self.columns)]
        if wrong:
            raise ValueError(f"`lines` must fit {len(self.columns)} columns, in {self.title!r} {wrong} do not.")

    @property
    def columns_of_page(self) -> int:
        """Number of columns of the page that it spans, 1 to 3, by the length of its longest cells; headings can wrap."""
        longest = [max(map(len, [*self.corner.split(), *(name for name, _ in self.lines)]))]
        for number, column in enumerate(self.columns):
            cells = [cells[number] for _, cells in self.lines]
            texts = [text for cell in cells for text in (cell.text, " ".join(cell.details[:2]), cell.beside)]
            longest.append(max(map(len, [*column.split(), *texts])))
        letters = sum(longest) + GAP * len(longest)
        return 1 + sum(letters > limit for limit in LETTERS)

    @property
    def sources(self) -> list[str]:
        """The sources of the published numbers beside ours."""
        return list(dict.fromkeys(cell.source for _, cells in self.lines for cell in cells if cell.beside))


def plain_table(title: str, header: Sequence[str], lines: Sequence[Sequence[str]], *, note: str = "") -> TextTable:
    """Build a table from plain texts, of which the first in each line is the line's name."""
    corner, *columns = header
    named = tuple((name, tuple(map(Cell, cells))) for name, *cells in lines)
    return TextTable(title=title, corner=corner, columns=tuple(columns), lines=named, note=note)


def markdown_lines(table: TextTable) -> list[str]:
    """Return header, rule and lines as Markdown, then the note; the title is not included."""
    lines = markdown_head([table.corner, *table.columns])
    for name, cells in table.lines:
        lines.append(markdown_row([name, *(_in_one_line(cell) for cell in cells)]))
    return lines + (["", in_markdown(table.note)] if table.note else [])


def markdown_head(names: Sequence[str]) -> list[str]:
    """Return the first two lines of a Markdown table."""
    return [markdown_row(names), f"| {' | '.join('---' for _ in names)} |"]


def markdown_row(cells: Sequence[str]) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(map(in_markdown, cells))} |"


def rich_table(table: TextTable) -> Table:
    """Lay out a table for the terminal; a published number is in brackets below ours."""
    layout = Table(title=in_terminal(table.title), title_justify="left", show_lines=True)
    layout.add_column(in_terminal(table.corner), no_wrap=True)
    for name in table.columns:
        layout.add_column(in_terminal(name), justify="right", no_wrap=True)
    sources = table.sources
    for name, cells in table.lines:
        layout.add_row(in_terminal(name), *(in_terminal(*_lines(cell, several=len(sources) > 1)) for cell in cells))
    in_brackets = [f"in brackets: {sources[0]}"] if len(sources) == 1 else []
    caption = "; ".join([*in_brackets, *([table.note] if table.note else [])])
    layout.caption = in_terminal(caption) if caption else None
    return layout


def _in_one_line(cell: Cell) -> str:
    beside = f" ({cell.source}: {cell.beside})" if cell.beside else ""
    return ", ".join([cell.text, *cell.details]) + beside


def _lines(cell: Cell, *, several: bool) -> list[str]:
    """Return a cell's lines; the source is omitted if there is only one, since the caption names it."""
    beside = [*([f"{cell.source}:"] if several else []), f"({cell.beside})"] if cell.beside else []
    return [cell.text, *cell.details, *beside]
