"""One self-contained page: what was asked, what came out, what made it."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment

from perturb.report.foot import FOOT
from perturb.report.glossary import Glossary
from perturb.report.section import Section

LONG = 15
"""Lines of a table above which it is folded, be it the first of its section."""


def render_page(
    *,
    name: str,
    title: str,
    asked: str,
    answers: Sequence[str],
    sections: Sequence[Section],
    provenance: Mapping[str, Any],
) -> str:
    """HTML that needs no network.

    Words of the glossary are marked where the page first has them, and defined at its end. The place of the foot line is
    left open (foot.py).

    Args:
        name: of the browser's tab.
        title: the question.
        asked: what was done to answer it.
        answers: sentences; the first stands out.
        sections: in their order.
        provenance: what made the numbers, at the end.

    """
    template = files("perturb.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment, glossary = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True), Glossary()
    environment.filters["words"] = glossary.mark
    return environment.from_string(template).render(
        name=name, title=title, asked=asked, sentences=answers, sections=sections, provenance=provenance, long=LONG,
        glossary=glossary, foot=FOOT,
    ).lstrip()  # fmt: skip
