"""The scalar of each pattern: the factors that it follows, and what that does to their local variances."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perturb.analysis.variances import Variances
from perturb.datasets import open_ground_truth
from perturb.escapes import in_figure
from perturb.perturbation.saved_networks import PatternResult, load_network
from perturb.perturbation.scalar import main_curves
from perturb.report import inputs, style
from perturb.report.findings import Findings
from perturb.report.section import Picture, Section
from perturb.report.table import Cell, TextTable
from perturb.statistics.scores import BASELINE
from perturb.variants import VariantPattern

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FACTOR_COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa8800", "#66ccee", "#aa3377", "#777777")
LINES = ("-", "--", "-.", ":")
MOST_LINES = 3
"""Patterns of a variant that have lines of their own."""


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the section on the factors that each pattern's scalar follows, and on the pattern's strength."""
    drawn = dict.fromkeys(("modified", *findings.config.evaluation.variants))
    networks = {variant: found for variant in drawn if (found := findings.networks(variant))}
    text = (
        "Each pattern is drawn along one scalar function of the factors. Only a scalar of several factors can make another "
        "set of directions cheaper to encode: one of a single factor moves images along that factor's own axis."
    )
    truth, path = open_ground_truth(findings.config.dataset), out / "scalar.png"
    runs = {
        variant: findings.runs[inputs.of_pattern("pattern", VariantPattern(variant))]
        for variant in ("modified", "untrained")
        if variant in networks
    }
    curves = {variant: main_curves(load_network(run, truth), truth.grid) for variant, run in runs.items()}
    variances = {v: found for v, found in findings.variances.items() if v in curves}
    draw_scalars(path, curves, truth.grid.names, variances)
    also = ", and what the patterns do to the factors' local variances" if variances else ""
    caption = f"The scalar of the first pattern of each kind{also}."
    tables = [scalar_table(networks, findings.grid.names)]
    yield Section(title="What the scalar follows", text=[text], figures=[Picture(path, caption)], tables=tables)


def draw_scalars(
    path: Path,
    curves: Mapping[str, Sequence[np.ndarray]],
    factors: Sequence[str],
    variances: Mapping[str, Variances],
) -> None:
    """Above, a panel a variant: the scalar over each factor. Below, where they are known, the local variance of each factor.

    Args:
        path: of the PNG.
        curves: variant → for each factor E[s | w_k] over its values, in standard deviations of s.
        factors: their names.
        variances: variant → what its factors induce; the original's stand beside them.

    """
    rows = len(curves) + bool(variances)
    figure = style.new_figure(0.5 + 1.7 * rows)
    panels = list(figure.subplots(rows, 1, squeeze=False)[:, 0])
    for axes, (variant, lines) in zip(panels, curves.items(), strict=False):
        for k, line in enumerate(lines):
            axes.plot(
                np.linspace(-1, 1, len(line)), line, color=FACTOR_COLOURS[k % len(FACTOR_COLOURS)],
                linestyle=LINES[k % len(LINES)], linewidth=1.6, label=in_figure(factors[k].replace("_", " ")),
            )  # fmt: skip
        axes.set_title(f"{variant}: scalar over each factor, mean over the others", fontsize=style.NORMAL, loc="left")
        axes.set_ylabel("s, std. dev.", fontsize=style.SMALL)
        axes.set_ylim(-2.2, 2.2)
        style.plain(axes, grid="y")
    panels[len(curves) - 1].set_xlabel("factor, from its first value to its last", fontsize=style.SMALL)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, fontsize=style.SMALL, frameon=False)
    if variances:
        _bars(panels[-1], variances, factors)
    style.save(figure, path)


def _bars(axes: "Axes", variances: Mapping[str, Variances], factors: Sequence[str]) -> None:
    """Local variances of each factor: of the original, then of every variant."""
    first = next(iter(variances.values()))
    heights = {BASELINE: [factor.locally.original for factor in first.factors]}
    heights |= {name: [factor.locally.variant for factor in found.factors] for name, found in variances.items()}
    width = 0.8 / len(heights)
    for number, (name, values) in enumerate(heights.items()):
        places = np.arange(len(factors)) + (number - (len(heights) - 1) / 2) * width
        axes.bar(places, values, width=width, color=style.colour(name), label=name)
    axes.set_xticks(range(len(factors)), [in_figure(name.replace("_", " ")) for name in factors])
    axes.set_title("Local variance: mean squared change by one step", fontsize=style.NORMAL, loc="left")
    axes.legend(fontsize=style.SMALL, frameon=False)
    style.plain(axes, grid="y")


def scalar_table(networks: Mapping[str, Sequence[PatternResult]], factors: Sequence[str]) -> TextTable:
    """Patterns down, factors across: main effect of each factor on the scalar, and its total effect.

    Args:
        networks: variant → results of the networks that draw its patterns; more than `MOST_LINES` of a variant are
            averaged.
        factors: names, in the order of the effects.

    """
    lines = []
    for variant, found in networks.items():
        if len(found) > MOST_LINES:
            lines.append((f"{variant}, mean of {len(found)}", _scalar_cells(found)))
        else:
            names = [variant if draw == 0 else f"{variant}-{draw + 1}" for draw in range(len(found))]
            lines += [(name, _scalar_cells([one])) for name, one in zip(names, found, strict=True)]
    return TextTable(
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


def _scalar_cells(found: Sequence[PatternResult]) -> tuple[Cell, ...]:
    """One line, the mean over patterns."""
    scalars, patterns = [one.scalar for one in found], [one.pattern for one in found]
    mains, totals = (np.mean([getattr(scalar, kind) for scalar in scalars], axis=0) for kind in ("main", "total"))
    return (
        *(Cell(f"{main:.2f}", (f"{total:.2f}",)) for main, total in zip(mains, totals, strict=True)),
        Cell(f"{np.mean([scalar.effective for scalar in scalars]):.2f}"),
        Cell(f"{np.mean([scalar.linear for scalar in scalars]):.2f}"),
        Cell(f"{np.mean([pattern.share for pattern in patterns]):.0%}"),
        Cell(f"{np.mean([pattern.roughness for pattern in patterns]):.2f}"),
    )
