"""One self-contained page: what was asked, what came out, what made it."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment

from perturb.metrics import METRICS
from perturb.report.section import Section
from perturb.report.words import certainty, share, signed
from perturb.statistics.scores import BASELINE, Row

LONG = 40
"""Lines of a table above which it is folded."""


def answer(rows: Sequence[Row], metric: str) -> list[str]:
    """Return what came out, in sentences: for each method how much of its score each variant leaves.

    Of a change that `may_be_chance` it is said.
    """
    sentences = []
    for original in (row for row in rows if row.variant == BASELINE and row.metric == metric):
        others = [row for row in rows if (row.method, row.metric) == (original.method, metric) and row is not original]
        if original.mean is None:
            sentences.append(f"{original.method}: all runs on the original failed.")
            continue
        parts = [_part(row) for row in others]
        title = METRICS[metric].title
        reached = f"{original.method} reaches a {title} of {original.mean:.2f} on the original"
        sentences.append("; ".join([reached, *parts]) + ".")
    return sentences


def _part(row: Row) -> str:
    if row.mean is None or row.difference is None:
        return f"no run on {row.variant} could be compared"
    kept = f"keeps {share(row.retained)} of it" if row.retained is not None else "has nothing to keep"
    return f"on {row.variant} it {kept} ({signed(row.difference)}, {certainty(row, few='pairs')})"


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

    Args:
        name: of the browser's tab.
        title: the question.
        asked: what was done to answer it.
        answers: sentences; the first stands out.
        sections: in their order.
        provenance: what made the numbers, at the end.

    """
    template = files("perturb.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        name=name, title=title, asked=asked, sentences=answers, sections=sections, provenance=provenance, long=LONG
    ).lstrip()  # fmt: skip
