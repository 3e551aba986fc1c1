"""Pydantic's errors as one sentence."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from perturb.config.objectives import OBJECTIVE_KINDS
from perturb.config.section import Section
from perturb.errors import guess

JsonSchema = dict[str, Any]

LONGEST = 80
"""Characters of a key or a value that are shown: the file may be anybody's."""


def first_problem(error: ValidationError) -> str:
    """The first problem of a validation as `key`: rule, given value; one line, printable, without a full stop."""
    first = error.errors()[0]
    key = _short(repr(".".join(str(part) for part in _as_the_file_spells_it(first["loc"])))[1:-1])
    given, rule = _short(repr(first["input"])), first["msg"].removeprefix("Value error, ")
    place = f"`{key}`: " if key else ""
    if first["type"] == "extra_forbidden":
        *table, unknown = _as_the_file_spells_it(first["loc"])
        return f"unknown key `{key}` (value {given}){guess(str(unknown), _keys_of(error.title, table))}"
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


def _keys_of(title: str, table: Sequence[str | int]) -> set[str]:
    """The keys that a table may have, by the name of the section that was read and the path within it."""
    kind = next((found for found in _sections(Section) if found.__name__ == title), None)
    if kind is None:
        return set()
    schema = kind.model_json_schema()
    places = [schema]
    for part in table:
        places = [inner for place in places for inner in _within(_alternatives(place, schema), part)]
    return {key for place in places for one in _alternatives(place, schema) for key in one.get("properties", ())}


def _sections(kind: type[Section]) -> Iterator[type[Section]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from _sections(inner)


def _alternatives(place: JsonSchema, schema: JsonSchema) -> list[JsonSchema]:
    """The schemas that a schema stands for: itself, what it refers to, each of a choice."""
    if "$ref" in place:
        return _alternatives(schema["$defs"][place["$ref"].rpartition("/")[2]], schema)
    choices = [*place.get("anyOf", ()), *place.get("oneOf", ())]
    return [one for choice in choices for one in _alternatives(choice, schema)] or [place]


def _within(places: Sequence[JsonSchema], part: str | int) -> list[JsonSchema]:
    """Return the schemas of a key's value, or of a list's items."""
    if isinstance(part, int):
        return [place["items"] for place in places if "items" in place]
    inner = [place.get("properties", {}).get(part, place.get("additionalProperties")) for place in places]
    return [place for place in inner if isinstance(place, dict)]
