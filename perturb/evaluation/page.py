"""One self-contained page: what was asked, what came out, what made it."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment

from perturb.evaluation.sections import Picture, Section
from perturb.evaluation.statistics import BASELINE, Row
from perturb.evaluation.tables import interval, score_tables, signed
from perturb.evaluation.thesis import Beside
from perturb.metrics import METRICS

TITLE = "Does it disentangle, or does it lean on the data?"


def answer(rows: Sequence[Row], metric: str) -> list[str]:
    """What came out, in sentences: for each method how much of its score each variant leaves.

    A change is called one only when its interval excludes zero.
    """
    sentences = []
    for original in (row for row in rows if row.variant == BASELINE and row.metric == metric):
        others = [row for row in rows if (row.method, row.metric) == (original.method, metric) and row is not original]
        if original.mean is None:
            sentences.append(f"{original.method}: all runs on the original failed.")
            continue
        parts = [_part(row, original) for row in others]
        title = METRICS[metric].title
        reached = f"{original.method} reaches a {title} of {original.mean:.2f} on the original"
        sentences.append("; ".join([reached, *parts]) + ".")
    return sentences


def _part(row: Row, original: Row) -> str:
    if row.mean is None or row.difference is None:
        return f"no run on {row.variant} could be compared"
    kept = f"keeps {row.mean / original.mean:.0%} of it" if original.mean > 0 else "has nothing to keep"
    if row.ci_low is None:
        return f"on {row.variant} it {kept} ({signed(row.difference)}, too few pairs for an interval)"
    clear = row.ci_low > 0 or row.ci_high < 0
    verdict = "" if clear else ", which may be chance"
    return f"on {row.variant} it {kept} ({signed(row.difference)}, 95 % interval {interval(row)}{verdict})"


def render_page(
    *,
    name: str,
    dataset: str,
    rows: Sequence[Row],
    notes: Sequence[str],
    figures: Mapping[str, Path],
    provenance: Mapping[str, Any],
    headline: str | None = None,
    sections: Sequence[Section] = (),
    thesis: Beside | None = None,
) -> str:
    """The page of an experiment: HTML that needs no network.

    Args:
        name: of the experiment.
        dataset: as the title names it.
        rows: of the tables.
        notes: what a reader must know: failures, set-aside restarts, the state of the pattern.
        figures: caption → PNG.
        provenance: what made the numbers.
        headline: the answer in one sentence (`perturb.evaluation.headline`); what came out for each method then has a
            section of its own.
        sections: what else there is to show, after the tables.
        thesis: numbers to show beside ours.

    """
    sentences = [sentence for metric in dict.fromkeys(row.metric for row in rows) for sentence in answer(rows, metric)]
    pictures = [Picture(path, caption) for caption, path in figures.items()]
    tables = score_tables(rows, title="mean ± standard deviation over runs", thesis=thesis, compared=True)
    below = "Below each score: its difference to the original, paired by seed, with its 95 % interval."
    shown = [
        Section(title="Scores", text=[below], tables=tables, figures=pictures),
        *sections,
        *([Section(title="Method by method", points=sentences)] if headline else []),
        Section(title="To be known when reading this", points=notes),
    ]
    asked = (
        f"Experiment {name} on {dataset}: every image is nudged by at most ε, the factors stay as they are, and each method "
        "is trained afresh on each variant of the data."
    )
    return render_sections(
        name=name, title=TITLE, asked=asked, answers=[headline] if headline else sentences, sections=shown,
        provenance=provenance,
    )  # fmt: skip


def render_sections(
    *,
    name: str,
    title: str,
    asked: str,
    answers: Sequence[str],
    sections: Sequence[Section],
    provenance: Mapping[str, Any],
) -> str:
    """A page of any sections: HTML that needs no network.

    Args:
        name: of the browser's tab.
        title: the question.
        asked: what was done to answer it.
        answers: sentences; the first stands out.
        sections: in their order.
        provenance: what made the numbers, at the end.

    """
    template = files("perturb.evaluation").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        name=name, title=title, asked=asked, sentences=answers, sections=sections, provenance=provenance
    ).lstrip()  # fmt: skip
