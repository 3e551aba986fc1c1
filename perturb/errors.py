"""User-facing messages: the exception that carries one, the line printed at Ctrl-C, and suggestions for misspelled names."""

import difflib
from collections.abc import Iterable

from perturb.escapes import greek_spelled_out

LONGEST = 80
"""Number of characters of a name to compare; a name is untrusted input of any length."""
INTERRUPTED = "perturb: interrupted; run the same command again to resume."


class UserError(Exception):
    """Raised for unusable input. One sentence says what was given, which rule it breaks, and what to do.

    The command line prints the sentence without a traceback and exits with code 2.
    """


def adds(extra: str) -> str:
    """Return the words on how to install an optional group of packages, `extra` in pyproject.toml."""
    return f"`pip install '.[{extra}]'` in a clone of perturb adds it"


def not_among(given: Iterable[str], known: Iterable[str]) -> str:
    """Return the end of a sentence about unknown names: `must be among mig, dci; got mag (did you mean mig?)`."""
    given, known = list(given), list(known)
    return f"must be among {', '.join(known)}; got {', '.join(given)}{guess(given[0], known)}"


def guess(given: str, known: Iterable[str]) -> str:
    """Return ` (did you mean seeds?)` if a known name resembles the given one, else an empty string.

    Case and punctuation are ignored, and Greek letters match their spelled-out names.
    """
    by_letters = {_letters(name): name for name in known}
    near = difflib.get_close_matches(_letters(given[:LONGEST]), by_letters, n=1)
    return f" (did you mean {by_letters[near[0]]}?)" if near else ""


def _letters(name: str) -> str:
    """Return a name's letters and digits in lower case, with Greek letters spelled out."""
    return "".join(character for character in greek_spelled_out(name.casefold()) if character.isalnum())
