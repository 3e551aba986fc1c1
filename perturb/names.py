"""The rule for names and one-line descriptions of methods, models, datasets and failures, wherever they come from.

A name that breaks the rule is refused before anything is trained. The reason for a failure, which is only known after the
run, is edited to fit it.
"""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

SHORTEST_NAME, LONGEST_NAME, LONGEST_TEXT = 1, 80, 600
LONGEST_REASON = 500
"""Number of characters to keep of a failed process's own message."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of printable characters")
    return text


Name = Annotated[str, Field(min_length=SHORTEST_NAME, max_length=LONGEST_NAME), AfterValidator(_printable)]
"""A name in tables."""
Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_printable)]
"""A sentence or a description."""


def _web_address(text: str) -> str:
    rule = "must be a web address: http:// or https:// with a host, and without spaces or a user name"
    try:
        url = urlsplit(text)
        valid = url.scheme in ("http", "https") and url.hostname and url.username is None and url.port != 0
    except ValueError:
        raise ValueError(rule) from None
    if not valid or not text.isprintable() or any(sign in text for sign in " \"'<>\\`"):
        raise ValueError(rule)
    return text


Link = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_web_address)]
"""A URL that pages may link to."""


def is_name(text: str) -> bool:
    """Return whether text is a `Name`."""
    return SHORTEST_NAME <= len(text) <= LONGEST_NAME and text.isprintable()


def one_line(text: str) -> str:
    """Return any text as a `Text`: printable, on one line, truncated if long, without a final full stop."""
    printable = "".join(character if character.isprintable() else " " for character in text[: LONGEST_REASON + 1])
    shown = printable if len(printable) <= LONGEST_REASON else f"{printable[:LONGEST_REASON]}…"
    return shown.strip().rstrip(".")
