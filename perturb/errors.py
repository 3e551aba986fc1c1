"""Messages for people: the exception that carries one, the line at Ctrl-C, and guesses at misspelled names."""

import difflib
from collections.abc import Iterable

from perturb.escapes import greek_spelled_out

LONGEST = 80
"""Characters of a name that are looked at: it may be anybody's."""
INTERRUPTED = "perturb: interrupted; running the same command again goes on from here."


class UserError(Exception):
    """Input that cannot be used, said in one sentence: what was given, which rule it breaks, what to do.

    The command line prints the sentence without a traceback and exits with code 2.
    """


def not_among(given: Iterable[str], known: Iterable[str]) -> str:
    """Return the end of a sentence about unknown names: `must be among mig, dci; got mag (did you mean mig?)`."""
    given, known = list(given), list(known)
    return f"must be among {', '.join(known)}; got {', '.join(given)}{guess(given[0], known)}"


def guess(given: str, known: Iterable[str]) -> str:
    """Return ` (did you mean seeds?)` if a known name looks like the given one, however it is written, and else nothing."""
    by_letters = {_letters(name): name for name in known}
    near = difflib.get_close_matches(_letters(given[:LONGEST]), by_letters, n=1)
    return f" (did you mean {by_letters[near[0]]}?)" if near else ""


def _letters(name: str) -> str:
    """Return a name's letters and digits in lower case, with Greek letters spelled out."""
    return "".join(character for character in greek_spelled_out(name.casefold()) if character.isalnum())
