"""The section on what became of the factors: how codes hold them on each variant, where a score only says that it fell."""

from collections.abc import Iterator
from pathlib import Path

from perturb.report.findings import Findings
from perturb.report.holding import MEANING, WHY, by_method, draw_kinds, sentence_on, table_of_factors
from perturb.report.section import Picture, Section

FIGURE = "codes.png"


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the section on what became of the factors; nothing if every training failed."""
    models = list(findings.held.values())
    if not models:
        return
    told = [sentence for method, of_method in by_method(models).items() if (sentence := sentence_on(method, of_method))]
    draw_kinds(out / FIGURE, models)
    caption = "How codes hold the factors: all factors of all models, by method and by the images that they were trained on."
    yield Section(
        title="What became of the factors",
        text=[WHY, *told],
        explained=[MEANING],
        figures=[Picture(out / FIGURE, caption, " ".join(told))],
        tables=[table_of_factors(models)],
    )
