"""Rules for names and for text in entries."""

import pytest
from pydantic import TypeAdapter, ValidationError

from perturb.names import LONGEST_NAME, LONGEST_REASON, LONGEST_TEXT, Name, Text, is_name, one_line

WRONG = ["", "x" * (LONGEST_NAME + 1), "two\nlines", "a\tb", "\x1b[31m", "\udcff", "\u202e"]


@pytest.mark.parametrize("name", WRONG)
def test_empty_or_overlong_or_unprintable_text_is_not_a_valid_name(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(name)


@pytest.mark.parametrize("name", ["β-VAE", "x" * LONGEST_NAME, "<b> | `a`"])
def test_a_printable_line_within_the_length_limit_is_a_valid_name(name: str) -> None:
    assert is_name(name)
    assert TypeAdapter(Name).validate_python(name) == name


@pytest.mark.parametrize("text", [*WRONG, "word " * 1000, "a" * 10**6, "ends. "])
def test_any_text_can_be_turned_into_a_line_that_an_entry_accepts(text: str) -> None:
    found = TypeAdapter(Text).validate_python(one_line(text))
    assert len(found) <= LONGEST_REASON + 1 <= LONGEST_TEXT
    assert not found.endswith(".")
