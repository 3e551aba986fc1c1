"""The one exception meant for a person's eyes, what is said to one who stops the work, and guesses at what was meant."""

import difflib
import unicodedata
from collections.abc import Iterable

LONGEST = 80
"""Characters of a name that are looked at: it may be anybody's."""
INTERRUPTED = "perturb: interrupted; running the same command again goes on from here."


class UserError(Exception):
    """Input that cannot be used, said in one sentence: what was given, which rule it breaks, what to do.

    The command line prints the sentence without a traceback and exits with code 2.
    """


def not_among(given: Iterable[str], known: Iterable[str]) -> str:
    """`must be among mig, dci; got mag (did you mean mig?)`, of names that are not known."""
    given, known = list(given), list(known)
    return f"must be among {', '.join(known)}; got {', '.join(given)}{guess(given[0], known)}"


def guess(given: str, known: Iterable[str]) -> str:
    """` (did you mean seeds?)`, if one of the known names looks like the given one, however it is written; else nothing."""
    by_letters = {_letters(name): name for name in known}
    near = difflib.get_close_matches(_letters(given[:LONGEST]), by_letters, n=1)
    return f" (did you mean {by_letters[near[0]]}?)" if near else ""


def _letters(name: str) -> str:
    """Letters and digits in lower case, Greek ones by their names."""
    spelled = (_spelled(character) for character in name.casefold() if character.isalnum())
    return "".join(spelled)


def _spelled(character: str) -> str:
    called = unicodedata.name(character, "")
    return called.rpartition(" ")[2].lower() if called.startswith("GREEK SMALL LETTER") else character
