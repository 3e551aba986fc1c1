"""Runs that write a word, for tests of the store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from perturb.config import Section
from perturb.runs import RunSpec, Stage, StageContext, Store


class Word(Section):
    """Config of these runs."""

    text: str = "a"
    size: int = 1


class Seeded(Word):
    """Config of runs of one family, which can be built together."""

    seed: int


def write_word(context: StageContext) -> dict[str, Any]:
    """Write the words of the inputs followed by its own."""
    before = "".join((folder / "word.txt").read_text() for folder in context.inputs.values())
    (context.out / "word.txt").write_text(before + context.spec.config.text)
    return {"letters": len(before) + 1}


class Recorder:
    """A builder that records what it built."""

    def __init__(self) -> None:
        self.built: list[str] = []

    def __call__(self, context: StageContext) -> dict[str, Any]:
        self.built.append(context.spec.label)
        return write_word(context)


def small_store(folder: Path, build: Callable[[StageContext], dict[str, Any]] = write_word) -> Store:
    """A store in a folder that can build words."""
    return Store(folder / "artifacts", {"word": Stage(version=1, build=build)})


def word_spec(text: str = "a", inputs: dict[str, RunSpec] | None = None, **fields: Any) -> RunSpec:
    """The spec of a run that writes a word."""
    return RunSpec(
        **{"kind": "word", "version": 1, "config": Word(text=text), "inputs": inputs or {}, "label": text} | fields
    )


def names_in(folder: Path) -> list[str]:
    """Sorted names of the files in a folder; empty if there is no folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
