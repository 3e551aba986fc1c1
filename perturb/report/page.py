"""A self-contained page: the question, the results and their provenance."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment

from perturb.report.foot import FOOT
from perturb.report.glossary import Glossary
from perturb.report.section import Section

LONG = 15
"""Number of lines above which a table is folded even if it is the first of its section."""


def render_page(
    *,
    name: str,
    title: str,
    asked: str,
    answers: Sequence[str],
    sections: Sequence[Section],
    provenance: Mapping[str, Any],
) -> str:
    """Render a page as HTML that needs no network.

    Terms of the glossary are marked at their first occurrence, and defined at the end of the page. The foot line is left as
    the comment that foot.py replaces.

    Args:
        name: Name in the browser's tab.
        title: The question.
        asked: What was done to answer it.
        answers: The answer in sentences; the first is emphasised.
        sections: Sections in their order.
        provenance: Provenance of the numbers, shown at the end.

    """
    template = files("perturb.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment, glossary = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True), Glossary()
    environment.filters["words"] = glossary.mark
    return environment.from_string(template).render(
        name=name, title=title, asked=asked, sentences=answers, sections=sections, provenance=provenance, long=LONG,
        glossary=glossary, foot=FOOT,
    ).lstrip()  # fmt: skip
