"""Pydantic's errors as one sentence."""

from collections.abc import Iterator

from pydantic import ValidationError

from perturb.config.objectives import OBJECTIVE_KINDS

LONGEST = 80
"""Characters of a key or a value that are shown: the file may be anybody's."""


def first_problem(error: ValidationError) -> str:
    """The first problem of a validation as `key`: rule, given value; one line, printable, without a full stop."""
    first = error.errors()[0]
    key = _short(repr(".".join(str(part) for part in _as_the_file_spells_it(first["loc"])))[1:-1])
    given, rule = _short(repr(first["input"])), first["msg"].removeprefix("Value error, ")
    place = f"`{key}`: " if key else ""
    if first["type"] == "extra_forbidden":
        return f"unknown key `{key}` (value {given})"
    if first["type"] == "missing":
        return f"key `{key}` is missing"
    if first["type"] == "value_error":
        return f"{place}{rule}"
    if first["type"] == "json_invalid":
        return rule
    return f"{place}{rule[:1].lower()}{rule[1:]}, got {given}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _as_the_file_spells_it(location: tuple[str | int, ...]) -> Iterator[str | int]:
    """A validation's location without the name of the objective's class that pydantic puts behind `objective`."""
    for before, part in zip((None, *location), location):
        if not (before == "objective" and part in OBJECTIVE_KINDS):
            yield part
