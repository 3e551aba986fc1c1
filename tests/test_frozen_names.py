"""A rename must not change existing numbers, hashes or files (tests/helpers/frozen_names.py lists what is pinned)."""

import json

import pytest
from frozen_names import FILE, frozen_names

EXPECTED = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found() -> dict:
    return frozen_names()


@pytest.mark.parametrize("kind", EXPECTED)
def test_names_that_affect_numbers_or_identity_do_not_change(found: dict, kind: str) -> None:
    assert found[kind] == EXPECTED[kind]


def test_everything_that_is_collected_is_pinned(found: dict) -> None:
    assert set(found) == set(EXPECTED)
    assert all(found.values())
