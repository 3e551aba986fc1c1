"""Formatting of pydantic's errors as one sentence."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from perturb.config.objectives import OBJECTIVE_KINDS
from perturb.config.section import Section
from perturb.errors import guess

JsonSchema = dict[str, Any]

LONGEST = 80
"""Maximum number of characters shown of a key or a value, because the file is untrusted."""


def first_problem(error: ValidationError) -> str:
    """Format the first problem of a validation as `key`: rule, given value. One printable line without a full stop."""
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
    """Yield the parts of a location without the objective's kind, which pydantic inserts after `objective`."""
    for before, part in zip((None, *location), location):
        if not (before == "objective" and part in OBJECTIVE_KINDS):
            yield part


def _keys_of(title: str, table: Sequence[str | int]) -> set[str]:
    """Return the keys that a table may have, given the class name of the section and the path of the table in it."""
    kind = next((section for section in _sections(Section) if section.__name__ == title), None)
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
    """Return the schemas that a schema stands for: itself, the target of its `$ref`, or every member of a union."""
    if "$ref" in place:
        return _alternatives(schema["$defs"][place["$ref"].rpartition("/")[2]], schema)
    choices = [*place.get("anyOf", ()), *place.get("oneOf", ())]
    return [one for choice in choices for one in _alternatives(choice, schema)] or [place]


def _within(places: Sequence[JsonSchema], part: str | int) -> list[JsonSchema]:
    """Return the schemas of the value of a key, or of the items of a list."""
    if isinstance(part, int):
        return [place["items"] for place in places if "items" in place]
    inner = [place.get("properties", {}).get(part, place.get("additionalProperties")) for place in places]
    return [place for place in inner if isinstance(place, dict)]
