"""The foot line of a report's page: when, where, with which command and version, and in how many hours it was made.

The page in a run's folder has a comment where it belongs, so that the same config gives the same bytes. The line replaces
the comment when the page is copied to where people look for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment
from markupsafe import Markup

FOOT = Markup("<!-- foot line -->")
"""The comment. User-chosen names cannot contain it, because the page escapes them."""
_LINE = """<p class="made">{{ parts | join(" · ") }}</p>"""


@dataclass(frozen=True, kw_only=True)
class Making:
    """The facts about a report's making that its page states; unknown ones are left out."""

    version: str
    """Version of perturb that wrote the report."""
    config_hash: str
    hours: float
    """Total hours of the runs behind the report."""
    runs: int
    """Number of these runs."""
    commit: str = ""
    """Commit of perturb's clone that wrote it."""
    date: str = ""
    """Date on which the report was written, in ISO 8601."""
    machine: str = ""
    """The machine that wrote it: its cores and system."""
    devices: Sequence[str] = ()
    """Torch devices that the runs were built on."""
    command: str = ""
    """The command that made it."""


def with_foot(page: str, making: Making) -> str:
    """Return a page with the foot line in place of the comment; a page without the comment stays the same."""
    devices = ", ".join(making.devices)
    parts = [
        making.date,
        making.command,
        f"perturb {making.version}" + (f" (commit {making.commit})" if making.commit else ""),
        f"{_hours(making.hours)} in {making.runs} runs" + (f" on {devices}" if devices else ""),
        making.machine,
        f"config {making.config_hash}",
    ]
    line = Environment(autoescape=True).from_string(_LINE).render(parts=[part for part in parts if part])
    return page.replace(FOOT, Markup(line))


def _hours(hours: float) -> str:
    """Format hours as `0.12 core hours`, with two digits."""
    return f"{hours:,.0f} core hours" if hours >= 10 else f"{hours:.2g} core hours"
