"""The parts of a page: sections of text, tables and figures."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from perturb.escapes import in_markdown
from perturb.report.table import TextTable, markdown_lines

WIDE = 800
"""Pixels of width above which a figure takes two columns of the page; style.py makes figures for one."""


@dataclass(frozen=True)
class Picture:
    """A figure of a section."""

    path: Path
    """Path of the PNG."""
    caption: str
    alt: str
    """Alternative text for readers who cannot see the picture: its kind, its content, and the result that it shows."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        with Image.open(self.path) as image:
            return image.size

    @property
    def wide(self) -> bool:
        """True if it needs two columns."""
        return self.size[0] > WIDE

    @property
    def uri(self) -> str:
        """The whole PNG, so that the page needs nobody to ask for it."""
        return f"data:image/png;base64,{base64.b64encode(self.path.read_bytes()).decode()}"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what stands below it, in this order; empty parts are left out."""

    title: str
    text: Sequence[str] = ()
    """Paragraphs of its text."""
    explained: Sequence[str] = ()
    """Paragraphs on how the numbers are made and read, folded on the page."""
    points: Sequence[str] = ()
    """Points of a list."""
    figures: Sequence[Picture] = ()
    tables: Sequence[TextTable] = ()
    """On the page the first is open, unless it is long, and the others are folded."""
    folded: bool = False
    """True if the page shows the heading alone until it is asked for more: what other sections tell, too."""


def as_markdown(sections: Sequence[Section]) -> str:
    """Sections as Markdown, which names the figures' files."""
    lines = []
    for section in sections:
        lines += [f"## {in_markdown(section.title)}", ""]
        for paragraph in (*section.text, *section.explained):
            lines += [in_markdown(paragraph), ""]
        lines += [*(f"- {in_markdown(point)}" for point in section.points), *([""] if section.points else [])]
        for picture in section.figures:
            alt, caption = in_markdown(picture.alt), in_markdown(picture.caption)
            lines += [f"![{alt}]({picture.path.name})", "", caption, ""]
        for table in section.tables:
            lines += [f"### {in_markdown(table.title)}", "", *markdown_lines(table), ""]
    return "\n".join(lines)
