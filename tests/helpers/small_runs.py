"""Runs that write a word, for the tests of the store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from perturb.config import Section
from perturb.runs import RunSpec, Stage, Store, Workplace


class Word(Section):
    """Config of the runs here."""

    text: str = "a"
    size: int = 1


class Seeded(Word):
    """Runs of one family, which are built together."""

    seed: int


def write_word(place: Workplace) -> dict[str, Any]:
    """Write the word; with inputs, after theirs."""
    before = "".join((folder / "word.txt").read_text() for folder in place.inputs.values())
    (place.out / "word.txt").write_text(before + place.spec.config.text)
    return {"letters": len(before) + 1}


class Recorder:
    """A stage that keeps count of what it built."""

    def __init__(self) -> None:
        self.built: list[str] = []

    def __call__(self, place: Workplace) -> dict[str, Any]:
        self.built.append(place.spec.label)
        return write_word(place)


def small_store(folder: Path, build: Callable[[Workplace], dict[str, Any]] = write_word) -> Store:
    """A store below a folder that can build words."""
    return Store(folder / "artifacts", {"word": Stage(version=1, build=build)})


def word_spec(text: str = "a", inputs: dict[str, RunSpec] | None = None, **fields: Any) -> RunSpec:
    """A word that is to be written."""
    return RunSpec(
        **{"kind": "word", "version": 1, "config": Word(text=text), "inputs": inputs or {}, "label": text} | fields
    )


def names_in(folder: Path) -> list[str]:
    """Names of the files of a folder; none where there is no folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
