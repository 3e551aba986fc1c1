"""The interface of an instrument: its entry in the table, its settings and its answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from perturb.instruments.subject import Kind, Subjects
from perturb.report.section import Section


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that every instrument receives along with its subject."""

    folder: Path
    """Folder that figures are written to; it exists."""
    seeds: int
    """Number of repetitions, where an instrument trains or draws something."""
    seed: int
    """Root of all randomness."""
    device: str = "cpu"
    """Torch device."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The result of an instrument."""

    verdict: str
    """One sentence that says what came out, worded by the numbers."""
    section: Section
    """Text, table and figure for people; the figures are in the settings' folder."""
    numbers: dict[str, JsonValue] = field(default_factory=dict)
    """The numbers behind the section's text, table and figure, with keys and values as JSON has them."""


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """A question, and the function that answers it."""

    name: str
    """Its name as commands take it: small letters and hyphens."""
    question: str
    """The question that it answers, for `perturb analyse list`."""
    source: str
    """Document, section and equations."""
    takes: Sequence[Kind]
    """Kinds of subject, the first of which is asked for where none is given."""
    cost: str
    """Time that it takes on one core, in words."""
    answer: Callable[[Subjects, Settings], Answer]
    """Computes the answer; raises UserError if the subject is unsuitable."""
    trains: bool = False
    """True if it trains models of its own by an experiment's settings, so that no run of the experiment has to be there."""
