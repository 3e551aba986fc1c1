"""The parts of a page: sections of text, tables and figures."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from perturb.escapes import in_markdown
from perturb.report.table import TextTable, markdown_lines

WIDE = 800
"""Width in pixels above which a figure spans two columns of the page; style.py makes figures for one column."""


@dataclass(frozen=True)
class Picture:
    """A figure of a section."""

    path: Path
    """Path of the PNG."""
    caption: str
    alt: str
    """Alternative text: the kind of figure, its content, and the result that it shows."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        with Image.open(self.path) as image:
            return image.size

    @property
    def wide(self) -> bool:
        """True if it spans two columns."""
        return self.size[0] > WIDE

    @property
    def uri(self) -> str:
        """The whole PNG as a data URI, so that the page is self-contained."""
        return f"data:image/png;base64,{base64.b64encode(self.path.read_bytes()).decode()}"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and the content below it; empty parts are left out."""

    title: str
    text: Sequence[str] = ()
    """Paragraphs of text."""
    explained: Sequence[str] = ()
    """Paragraphs on how to read the numbers and how they are computed, folded on the page."""
    points: Sequence[str] = ()
    """Bullet points."""
    figures: Sequence[Picture] = ()
    tables: Sequence[TextTable] = ()
    """Tables. On the page, the first is open unless it is long, and the others are folded."""
    folded: bool = False
    """True if the page shows only the heading until the section is opened: for content that other sections cover, too."""


def as_markdown(sections: Sequence[Section]) -> str:
    """Format sections as Markdown, with links to the figures' files."""
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
