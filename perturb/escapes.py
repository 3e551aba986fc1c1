"""Text from outside, written such that it means itself: an escape for each language that results are written in.

Names of methods and datasets, licences, paths and reasons may be anybody's. Pages escape by Jinja's autoescape, words of a
shell by shlex.quote, JSON and TOML by their own strings.
"""

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

MARKDOWN = re.compile(
    r"(\[[−+]?[\d.]+, [−+]?[\d.]+\](?![(\[:]))"  # an interval, which stays as it is
    r"|[\\`*\[\]|~$#]|<(?=[A-Za-z/!?])|&(?=[#\w])|(?<![^\W_])_|_(?![^\W_])"
)
"""Intervals, and the signs that Markdown, GitHub's included, may read something into. An underscore within a word, a `<`
before a number and a `>` within a line are not among them."""
MARKDOWN_START = re.compile(r"^(\d{1,9}(?=[.)](?: |$))|(?=>|[-+=]+(?: |$)))")
"""The place before a sign that begins a quotation or a list, or underlines a heading, where it begins a line."""
FORMULA = "=", "+", "-", "@", "\t", "\r"
"""Beginnings of a cell that spreadsheets compute instead of showing it."""


def in_line(text: object, longest: int | None = None) -> str:
    """Text as part of a line, in a terminal too: what is not printable, line breaks included, is spelled out.

    Args:
        text: from anywhere.
        longest: characters; an ellipsis stands for what follows. None: all are kept.

    """
    whole = str(text)
    cut = whole if longest is None or len(whole) <= longest else f"{whole[:longest]}…"
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in cut
    )


def in_markdown(text: object) -> str:
    """Text as a paragraph, a heading, a point or a table's cell of Markdown, or as a part of one; line breaks are spaces."""
    line = in_line(" ".join(str(text).split()))
    escaped = MARKDOWN.sub(lambda found: found[1] or f"\\{found[0]}", line)
    return MARKDOWN_START.sub(r"\1\\", escaped)


def in_markdown_code(text: object) -> str:
    """Text as a code span of Markdown, with the backticks; it may stand in a table's cell."""
    line = in_line(" ".join(str(text).split())).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    padding = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def in_csv(value: object) -> object:
    """A value as a cell of CSV: text that a spreadsheet would compute begins with an apostrophe; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def in_terminal(*lines: object) -> "Text":
    """Lines for rich, which reads neither markup nor emoji into them."""
    from rich.text import Text

    return Text("\n".join(map(in_line, lines)))


def in_figure(text: object) -> str:
    """Text as a title or label of matplotlib, which would set what is between dollars as a formula."""
    return in_line(text).replace("$", r"\$")


def greek_spelled_out(text: str) -> str:
    """Return text with `beta` for β and `Sigma` for Σ, for places whose font has no Greek letters."""
    return "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    script, _, name = unicodedata.name(character, "").partition(" LETTER ")
    return {"GREEK SMALL": name.lower(), "GREEK CAPITAL": name.capitalize()}.get(script, character)
