"""Escape untrusted text for each format that results are written in.

Names of methods and datasets, licences, paths and failure reasons are untrusted. HTML pages rely on Jinja's autoescape,
shell words on shlex.quote, and JSON and TOML on their own string syntax.
"""

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

MARKDOWN = re.compile(
    r"(\[[−+]?[\d.]+, [−+]?[\d.]+\](?![(\[:]))"  # an interval, which is left as it is
    r"|[\\`*\[\]|~$#]|<(?=[A-Za-z/!?])|&(?=[#\w])|(?<![^\W_])_|_(?![^\W_])"
)
"""Matches intervals, and the characters that Markdown (including GitHub's) may interpret. It does not match an underscore
within a word, a `<` before a number, or a `>` within a line."""
MARKDOWN_START = re.compile(r"^(\d{1,9}(?=[.)](?: |$))|(?=>|[-+=]+(?: |$)))")
"""Matches, at the start of a line, where an escape is needed before a character that would begin a quotation or a list, or
underline a heading."""
FORMULA = "=", "+", "-", "@", "\t", "\r"
"""Prefixes that make a spreadsheet evaluate a cell instead of displaying it."""


def in_line(text: object, longest: int | None = None) -> str:
    """Return text that is safe within one line, also in a terminal: unprintable characters and line breaks are escaped.

    Args:
        text: any object; its `str()` is used.
        longest: maximum number of characters; an ellipsis replaces the rest. None: no limit.

    """
    whole = str(text)
    cut = whole if longest is None or len(whole) <= longest else f"{whole[:longest]}…"
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in cut
    )


def in_markdown(text: object) -> str:
    """Escape text for (part of) a Markdown paragraph, heading, list item or table cell; line breaks become spaces."""
    line = in_line(" ".join(str(text).split()))
    escaped = MARKDOWN.sub(lambda match: match[1] or f"\\{match[0]}", line)
    return MARKDOWN_START.sub(r"\1\\", escaped)


def in_markdown_code(text: object) -> str:
    """Return text as a Markdown code span, including the backticks; it is safe in a table cell."""
    line = in_line(" ".join(str(text).split())).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    padding = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def in_csv(value: object) -> object:
    """Return a value as a CSV cell. Text that a spreadsheet would evaluate gets a leading apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def in_terminal(*lines: object) -> "Text":
    """Return lines as a rich Text, in which rich interprets neither markup nor emoji codes."""
    from rich.text import Text

    return Text("\n".join(map(in_line, lines)))


def in_figure(text: object) -> str:
    """Escape a matplotlib title or label, in which text between dollar signs would be set as a formula."""
    return in_line(text).replace("$", r"\$")


def greek_spelled_out(text: str) -> str:
    """Return text with `beta` for β and `Sigma` for Σ, for places whose font has no Greek letters."""
    return "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    script, _, name = unicodedata.name(character, "").partition(" LETTER ")
    return {"GREEK SMALL": name.lower(), "GREEK CAPITAL": name.capitalize()}.get(script, character)
