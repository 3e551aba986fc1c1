"""The foot line of a report's page: when, by what command and version, in how many hours and where it was made.

The page in a run's folder has an open place for it, so that the same config gives the same bytes; whoever copies the page to
where people look for it fills it in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment
from markupsafe import Markup

FOOT = Markup("<!-- foot line -->")
"""The open place. What people have named cannot hold it, since the page escapes that."""
_LINE = """<p class="made">{{ parts | join(" · ") }}</p>"""


@dataclass(frozen=True, kw_only=True)
class Making:
    """The facts about how a report was made that its page states; unknown ones are left out."""

    version: str
    """Version of perturb that wrote the report."""
    config_hash: str
    hours: float
    """Hours that the runs behind the report took, one after the other."""
    runs: int
    """Number of these runs."""
    date: str = ""
    """Day on which the report was written, ISO 8601."""
    machine: str = ""
    """The machine that wrote it: its cores and system."""
    devices: Sequence[str] = ()
    """Devices of torch that the runs were built on."""
    command: str = ""
    """The command that made it."""


def with_foot(page: str, making: Making) -> str:
    """Return a page with its foot line in the open place; a page that has none stays as it is."""
    devices = ", ".join(making.devices)
    parts = [
        making.date,
        making.command,
        f"perturb {making.version}",
        f"{_hours(making.hours)} in {making.runs} runs" + (f" on {devices}" if devices else ""),
        making.machine,
        f"config {making.config_hash}",
    ]
    line = Environment(autoescape=True).from_string(_LINE).render(parts=[part for part in parts if part])
    return page.replace(FOOT, Markup(line))


def _hours(hours: float) -> str:
    """`0.12 core hours`, with two digits."""
    return f"{hours:,.0f} core hours" if hours >= 10 else f"{hours:.2g} core hours"
