"""The parts of a page: sections of text, tables and figures."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from perturb.escapes import in_markdown
from perturb.report.table import TextTable, markdown_lines

WIDE = 1.6
"""Width over height from which a figure takes the page's whole width."""


@dataclass(frozen=True)
class Picture:
    """A figure of a section."""

    path: Path
    """Path of the PNG."""
    caption: str
    alt: str = ""
    """Alternative text for readers who cannot see the picture; empty: the caption serves."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        with Image.open(self.path) as image:
            return image.size

    @property
    def wide(self) -> bool:
        """True if it needs the page's whole width."""
        width, height = self.size
        return width > WIDE * height

    @property
    def uri(self) -> str:
        """The whole PNG, so that the page needs nobody to ask for it."""
        return f"data:image/png;base64,{base64.b64encode(self.path.read_bytes()).decode()}"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what stands below it, in this order; empty parts are left out."""

    title: str
    text: Sequence[str] = ()
    """Paragraphs."""
    points: Sequence[str] = ()
    """Points of a list."""
    figures: Sequence[Picture] = ()
    tables: Sequence[TextTable] = ()
    """Long ones are folded on the page."""


def as_markdown(sections: Sequence[Section]) -> str:
    """Sections as Markdown, which names the figures' files."""
    lines = []
    for section in sections:
        lines += [f"## {in_markdown(section.title)}", ""]
        for paragraph in section.text:
            lines += [in_markdown(paragraph), ""]
        lines += [*(f"- {in_markdown(point)}" for point in section.points), *([""] if section.points else [])]
        for picture in section.figures:
            alt, caption = in_markdown(picture.alt or picture.caption), in_markdown(picture.caption)
            lines += [f"![{alt}]({picture.path.name})", "", caption, ""]
        for table in section.tables:
            lines += [f"### {in_markdown(table.title)}", "", *markdown_lines(table), ""]
    return "\n".join(lines)
