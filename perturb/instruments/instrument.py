"""The interface of an instrument: its table entry, its settings and its answer."""

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
    """Existing folder to write figures to."""
    seeds: int
    """Number of repetitions, for instruments that train or draw something."""
    seed: int
    """Root seed of all randomness."""
    device: str = "cpu"
    """Torch device."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The result of an instrument."""

    verdict: str
    """The result in a sentence or a few, worded according to the numbers."""
    section: Section
    """Text, tables and figures for readers; the figures are in the settings' folder."""
    numbers: dict[str, JsonValue] = field(default_factory=dict)
    """The numbers behind the section's text, tables and figures, as JSON values."""


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """A question, and the function that answers it."""

    name: str
    """Its name in commands: lower-case letters and hyphens."""
    question: str
    """The question that it answers, for `perturb analyse list`."""
    source: str
    """Its source: document, section and equations."""
    takes: Sequence[Kind]
    """Kinds of subject that it accepts, in the order in which messages list them."""
    cost: str
    """Run time on one core, in words."""
    answer: Callable[[Subjects, Settings], Answer]
    """Computes the answer; raises UserError if the subject is unsuitable."""
    trains: bool = False
    """True if it trains its own models with an experiment's settings, so that the experiment need not have been run."""
