"""One self-contained page: what was asked, what came out, what made it."""

import base64
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment

from perturb.evaluation.statistics import BASELINE, Row
from perturb.evaluation.tables import interval, remarks, score, signed
from perturb.metrics import METRICS


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
) -> str:
    """HTML that needs no network.

    Args:
        name: of the experiment.
        dataset: as the title names it.
        rows: of the tables.
        notes: what a reader must know: failures, set-aside restarts, the state of the pattern.
        figures: caption → PNG.
        provenance: what made the numbers.

    """
    metrics = list(dict.fromkeys(row.metric for row in rows))
    template = files("perturb.evaluation").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        name=name,
        dataset=dataset,
        sentences=[sentence for metric in metrics for sentence in answer(rows, metric)],
        tables=[_table([row for row in rows if row.metric == metric]) for metric in metrics],
        notes=notes,
        figures={caption: _data_uri(path) for caption, path in figures.items()},
        provenance=provenance,
    )


def _table(rows: Sequence[Row]) -> dict[str, Any]:
    variants = list(dict.fromkeys(row.variant for row in rows))
    methods = list(dict.fromkeys(row.method for row in rows))
    found = {(row.method, row.variant): row for row in rows}
    lines = [(method, [_cell(found[method, variant]) for variant in variants]) for method in methods]
    return {"title": METRICS[rows[0].metric].title, "variants": variants, "lines": lines}


def _cell(row: Row) -> dict[str, str | list[str]]:
    """The score, and below it what it must be read with."""
    details = [f"n = {row.n}" if row.difference is None else f"{signed(row.difference)} {interval(row)}", *remarks(row)]
    return {"score": score(row), "details": details}


def _data_uri(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
