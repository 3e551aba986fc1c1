"""A table as text, and how it looks as Markdown and in the terminal; the page has its own template."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from perturb.escapes import in_markdown, in_terminal

LETTERS = 46, 96
"""Letters of a line that fit into one column of the page and into two, at its usual width."""
GAP = 3
"""Letters that the space between two cells takes."""


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    details: tuple[str, ...] = ()
    """Remarks that must be read with it."""
    beside: str = ""
    """A published number to compare the cell's with; empty where there is none."""
    source: str = ""
    """The source of that number."""


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table of text, its lines below the heads of its columns."""

    title: str
    corner: str
    """Heading of the lines' names."""
    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Cell, ...]], ...]
    """Name and cells of each line, a cell a column."""
    note: str = ""
    """A remark on the whole table."""

    def __post_init__(self) -> None:
        wrong = [name for name, cells in self.lines if len(cells) != len(self.columns)]
        if wrong:
            raise ValueError(f"`lines` must fit {len(self.columns)} columns, in {self.title!r} {wrong} do not.")

    @property
    def columns_of_page(self) -> int:
        """Columns of the page that it takes, 1 to 3: by the letters of its longest cells; headings break between words."""
        longest = [max(map(len, [*self.corner.split(), *(name for name, _ in self.lines)]))]
        for number, column in enumerate(self.columns):
            cells = [cells[number] for _, cells in self.lines]
            texts = [text for cell in cells for text in (cell.text, " ".join(cell.details[:2]), cell.beside)]
            longest.append(max(map(len, [*column.split(), *texts])))
        letters = sum(longest) + GAP * len(longest)
        return 1 + sum(letters > limit for limit in LETTERS)

    @property
    def sources(self) -> list[str]:
        """The source of the numbers beside ours."""
        return list(dict.fromkeys(cell.source for _, cells in self.lines for cell in cells if cell.beside))


def plain_table(title: str, header: Sequence[str], lines: Sequence[Sequence[str]], *, note: str = "") -> TextTable:
    """A table of plain texts, the first of each line its name."""
    corner, *columns = header
    named = tuple((name, tuple(map(Cell, cells))) for name, *cells in lines)
    return TextTable(title=title, corner=corner, columns=tuple(columns), lines=named, note=note)


def markdown_lines(table: TextTable) -> list[str]:
    """Header, rule and lines, without the title; then the note."""
    lines = markdown_head([table.corner, *table.columns])
    for name, cells in table.lines:
        lines.append(markdown_row([name, *(_in_one_line(cell) for cell in cells)]))
    return lines + (["", in_markdown(table.note)] if table.note else [])


def markdown_head(names: Sequence[str]) -> list[str]:
    """The first two lines of a Markdown table."""
    return [markdown_row(names), f"| {' | '.join('---' for _ in names)} |"]


def markdown_row(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(map(in_markdown, cells))} |"


def rich_table(table: TextTable) -> Table:
    """Lay out a table for the terminal; what stands beside a number is in brackets below it."""
    found = Table(title=in_terminal(table.title), title_justify="left", show_lines=True)
    found.add_column(in_terminal(table.corner), no_wrap=True)
    for name in table.columns:
        found.add_column(in_terminal(name), justify="right", no_wrap=True)
    sources = table.sources
    for name, cells in table.lines:
        found.add_row(in_terminal(name), *(in_terminal(*_lines(cell, several=len(sources) > 1)) for cell in cells))
    in_brackets = [f"in brackets: {sources[0]}"] if len(sources) == 1 else []
    caption = "; ".join([*in_brackets, *([table.note] if table.note else [])])
    found.caption = in_terminal(caption) if caption else None
    return found


def _in_one_line(cell: Cell) -> str:
    beside = f" ({cell.source}: {cell.beside})" if cell.beside else ""
    return ", ".join([cell.text, *cell.details]) + beside


def _lines(cell: Cell, *, several: bool) -> list[str]:
    """A cell's lines, with brackets alone where the caption names the only source."""
    beside = [*([f"{cell.source}:"] if several else []), f"({cell.beside})"] if cell.beside else []
    return [cell.text, *cell.details, *beside]
