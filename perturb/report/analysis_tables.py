"""Tables of what images hold, what factors and perturbation do to their variance, and which factors a pattern follows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from perturb.analysis.readout import FactorReadout
from perturb.analysis.variances import FactorVariance, Variances
from perturb.report.table import Cell, PrintedTable
from perturb.report.tables import spread

MOST_LINES = 3
"""Patterns of a variant that have lines of their own."""


def readout_table(readouts: Mapping[str, Sequence[FactorReadout]]) -> PrintedTable:
    """Factors down, variants across: held-out accuracy of the supervised network, chance in a column of its own.

    Args:
        readouts: variant → a readout for each factor; the first names the factors.

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
    return PrintedTable(
        title="Held-out accuracy of a supervised network",
        corner="Factor",
        columns=(*readouts, "chance"),
        lines=lines,
        note=f"n = {' to '.join(f'{count:,}' for count in counts)} images that it was not trained on.",
    )


def informativeness_table(found: Mapping[str, Mapping[str, Sequence[float]]]) -> PrintedTable:
    """Methods down, variants across: how well all latents together tell the factors, mean ± standard deviation.

    Args:
        found: method → variant → DCI's informativeness of each run, the share of held-out factor values that its trees name.

    """
    variants = tuple(dict.fromkeys(variant for of_method in found.values() for variant in of_method))
    return PrintedTable(
        title="How well all latents together tell the factors",
        corner="Method",
        columns=variants,
        lines=tuple(
            (method, tuple(_mean_cell(of_method.get(v, ())) for v in variants)) for method, of_method in found.items()
        ),
        note="DCI's informativeness: the share of held-out factor values that its trees name, mean over factors. With few "
        "trees it falls where a code mixes factors, too.",
    )


def _mean_cell(values: Sequence[float]) -> Cell:
    if not len(values):
        return Cell("–")
    return Cell(spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None))


def scalar_table(networks: Mapping[str, Sequence[Mapping[str, Any]]], factors: Sequence[str]) -> PrintedTable:
    """Patterns down, factors across: main effect of each factor on the scalar, and its total effect.

    Args:
        networks: variant → results of the networks that draw its patterns, with `scalar` (as `ScalarEffects`) and `pattern`
            (as `PatternStatistics`); more than `MOST_LINES` of a variant are averaged.
        factors: names, in the order of the effects.

    """
    lines = []
    for variant, found in networks.items():
        if len(found) > MOST_LINES:
            lines.append((f"{variant}, mean of {len(found)}", _scalar_cells(found)))
        else:
            names = [variant if draw == 0 else f"{variant}-{draw + 1}" for draw in range(len(found))]
            lines += [(name, _scalar_cells([one])) for name, one in zip(names, found, strict=True)]
    return PrintedTable(
        title="Effects on the scalar, and the pattern's strength",
        corner="Pattern",
        columns=(
            *(name.replace("_", " ") for name in factors),
            "factors in effect",
            "linear",
            "share of variance",
            "roughness",
        ),
        lines=tuple(lines),
        note="Main effect of each factor on the scalar, below it the total effect, as shares of the scalar's variance; "
        "factors in effect: exp(entropy of the total effects); linear: R² of the best linear function. Of x′ − x as stored: "
        "its variance as a share of the images' own, and its roughness, what one step of every factor changes over the "
        "variance.",
    )


def _scalar_cells(found: Sequence[Mapping[str, Any]]) -> tuple[Cell, ...]:
    """One line, the mean over patterns."""

    def mean(part: str, key: str) -> np.ndarray:
        return np.mean([one[part][key] for one in found], axis=0)

    effects = zip(mean("scalar", "main"), mean("scalar", "total"), strict=True)
    return (
        *(Cell(f"{main:.2f}", (f"{total:.2f}",)) for main, total in effects),
        Cell(f"{mean('scalar', 'effective'):.2f}"),
        Cell(f"{mean('scalar', 'linear'):.2f}"),
        Cell(f"{mean('pattern', 'share'):.0%}"),
        Cell(f"{mean('pattern', 'roughness'):.2f}"),
    )


def global_table(variances: Mapping[str, Variances]) -> PrintedTable:
    """Variant and part down, factors across: V_k, and its share of the part's total."""
    return _table(
        variances,
        "Global variance: main effect of each factor, and its share of the total",
        lambda found, factor, part: Cell(
            _number(getattr(factor.globally, part)), (f"{getattr(found.share(factor), part):.0%}",)
        ),
        "total",
        lambda found, part: getattr(found.total, part),
    )


def local_table(variances: Mapping[str, Variances]) -> PrintedTable:
    """Variant and part down, factors across: L_k; for the perturbation also as a multiple of the original's."""

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
) -> PrintedTable:
    """One line for the original, of which all variants tell the same, then two lines a variant."""
    found = next(iter(variances.values()))
    lines = [("original", found, "original")]
    for name, variant in variances.items():
        lines += [(f"{name}\u00a0− original", variant, "perturbation"), (name, variant, "variant")]
    return PrintedTable(
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
    """Three digits."""
    return "–" if value is None else f"{value:#.3g}".rstrip(".")
