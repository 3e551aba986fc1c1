"""The scores of all methods on all variants, beside the thesis's."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from perturb.report import inputs
from perturb.report.findings import Findings
from perturb.report.section import Section
from perturb.report.table import Cell, TextTable
from perturb.report.tables import score_tables, spread
from perturb.report.thesis import thesis_numbers
from perturb.statistics.saved_scores import ScoresResult


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield Tables 4.2 to 4.5, with the thesis's own numbers."""
    config = findings.config
    kinds = {method.name: method.objective.kind for method in config.evaluation.methods}
    thesis = thesis_numbers(config.dataset.name, kinds)
    text = (
        "Mean ± standard deviation over new trainings; below it variant − original, paired by seed, with its 95 % "
        "interval, and the share of the original's mean that is kept."
    )
    if thesis:
        text += " Beside ours, if there is one, the number from the thesis that the paper is part of (Tables 4.2 to 4.5)."
    tables = score_tables(findings.rows, thesis=thesis, compared=True)
    if found := _informativeness(findings):
        tables.append(informativeness_table(found))
    yield Section(title="Scores", text=[text], tables=tuple(tables))


def informativeness_table(found: Mapping[str, Mapping[str, Sequence[float]]]) -> TextTable:
    """Build a table of how well all latents together predict the factors, mean ± standard deviation.

    Methods are rows, variants are columns.

    Args:
        found: Method → variant → DCI's informativeness of each run, its trees' accuracy on held-out factor values.

    """
    variants = tuple(dict.fromkeys(variant for of_method in found.values() for variant in of_method))
    return TextTable(
        title="How well all latents together predict the factors",
        corner="Method",
        columns=variants,
        lines=tuple(
            (method, tuple(_mean_cell(of_method.get(v, ())) for v in variants)) for method, of_method in found.items()
        ),
        note="DCI's informativeness: the accuracy of its trees on held-out factor values, mean over factors. With few trees "
        "it also falls if a code mixes factors.",
    )


def _mean_cell(values: Sequence[float]) -> Cell:
    if not len(values):
        return Cell("–")
    return Cell(spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None))


def _informativeness(findings: Findings) -> dict[str, dict[str, list[float]]]:
    """Return DCI's informativeness of every run with scores, by method and variant; empty if DCI is not scored."""
    found: dict[str, dict[str, list[float]]] = {}
    for score in findings.scores:
        details = findings.result(inputs.scores(score.method, score.variant, score.seed), ScoresResult).details or {}
        if "dci" in details:
            values = found.setdefault(score.method, {}).setdefault(score.variant, [])
            values.append(details["dci"]["dci_informativeness"])
    return found
