"""The factors are still in the images: supervised networks can predict them, and only the variance has moved."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from perturb.analysis.readout import FactorReadout
from perturb.analysis.variances import FactorVariance, Variances
from perturb.report.findings import Findings
from perturb.report.section import Section
from perturb.report.table import Cell, TextTable


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the section on the accuracy of supervised networks, and on the variance; nothing without a readout."""
    if not findings.config.readout:
        return
    variants = findings.config.evaluation.variants
    readouts = {variant: _averaged(findings.readouts(variant)) for variant in variants}
    variances = findings.variances
    count = findings.config.readout.seeds
    text = (
        f"The factors are still in the images: {count} small supervised network{'s' if count > 1 else ''} per variant, "
        f"tested on combinations of factors that they never saw. Mean accuracies.",
        "Global variance is what a factor changes over the whole grid, local variance what one step of it changes.",
    )
    tables = (readout_table(readouts), *((global_table(variances), local_table(variances)) if variances else ()))
    yield Section(title="The factors are still there", text=text, tables=tables)


def _averaged(readouts: Sequence[Sequence[FactorReadout]]) -> list[FactorReadout]:
    """Average accuracy and chance over networks."""
    return [
        replace(
            found[0],
            accuracy=float(np.mean([one.accuracy for one in found])),
            chance=float(np.mean([one.chance for one in found])),
        )
        for found in zip(*readouts, strict=True)
    ]


def readout_table(readouts: Mapping[str, Sequence[FactorReadout]]) -> TextTable:
    """Build a table with factors as rows and variants as columns: held-out accuracies, with chance in the last column.

    Args:
        readouts: Variant → one readout per factor; the first variant's readouts name the factors.

    """
    first = next(iter(readouts.values()))
    lines = tuple(
        (
            found.factor.replace("_", " "),
            (*(Cell(f"{variant[k].accuracy:.1%}") for variant in readouts.values()), Cell(f"{found.chance:.1%}")),
        )
        for k, found in enumerate(first)
    )
    counts = sorted({found.n for variant in readouts.values() for found in variant})
    return TextTable(
        title="Held-out accuracy of a supervised network",
        corner="Factor",
        columns=(*readouts, "chance"),
        lines=lines,
        note=f"n = {' to '.join(f'{count:,}' for count in counts)} images that it was not trained on.",
    )


def global_table(variances: Mapping[str, Variances]) -> TextTable:
    """Build a table with variants and parts as rows and factors as columns: V_k, and its share of the part's total."""
    return _table(
        variances,
        "Global variance: main effect of each factor, and its share of the total",
        lambda found, factor, part: Cell(
            _number(getattr(factor.globally, part)), (f"{getattr(found.share(factor), part):.0%}",)
        ),
        "total",
        lambda found, part: getattr(found.total, part),
    )


def local_table(variances: Mapping[str, Variances]) -> TextTable:
    """Build a table with variants and parts as rows and factors as columns: L_k, for δ also relative to the original's."""

    def cell(found: Variances, factor: FactorVariance, part: str) -> Cell:
        local = factor.locally
        ratio = part == "perturbation" and local.original > 0
        return Cell(_number(getattr(local, part)), (f"×{local.perturbation / local.original:.1f}",) if ratio else ())

    return _table(
        variances,
        "Local variance: mean squared change by one step of each factor",
        cell,
        "size of δ",
        lambda found, part: found.magnitude if part == "perturbation" else None,
        note="× is a multiple of the original's own step; the size of δ is its mean square",
    )


def _table(
    variances: Mapping[str, Variances],
    title: str,
    cell: Callable[[Variances, FactorVariance, str], Cell],
    last: str,
    whole: Callable[[Variances, str], float | None],
    note: str = "",
) -> TextTable:
    """Build a table with one line for the original, which is the same for all variants, and two lines per variant."""
    found = next(iter(variances.values()))
    lines = [("original", found, "original")]
    for name, variant in variances.items():
        lines += [(f"{name}\u00a0− original", variant, "perturbation"), (name, variant, "variant")]
    return TextTable(
        title=title,
        corner="Images",
        columns=(*(factor.factor.replace("_", " ") for factor in found.factors), last),
        lines=tuple(
            (name, (*(cell(of, factor, part) for factor in of.factors), Cell(_number(whole(of, part)))))
            for name, of, part in lines
        ),
        note="; ".join(["Squared shares of the grey range, summed over pixels", _scope(found), *([note] if note else [])])
        + ".",
    )


def _scope(found: Variances) -> str:
    return "over the whole grid" if found.whole_grid else f"estimated from {found.images:,} images drawn from the grid"


def _number(value: float | None) -> str:
    """Format a number with three digits; a dash for None."""
    return "–" if value is None else f"{value:#.3g}".rstrip(".")
