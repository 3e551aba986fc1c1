"""The scalar of each pattern: its curve over each factor, and a table of the factors that it depends on."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from perturb.escapes import in_figure
from perturb.perturbation.saved_networks import PatternResult
from perturb.report import style
from perturb.report.table import Cell, TextTable

FACTOR_COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa8800", "#66ccee", "#aa3377", "#777777")
LINES = ("-", "--", "-.", ":")
MOST_LINES = 3
"""Maximum number of a variant's patterns that are listed individually."""


def alt_of_scalars(curves: Mapping[str, Sequence[np.ndarray]], factors: Sequence[str]) -> str:
    """Return alternative text: the scalar's range over the factors that move it most and least, pattern by pattern."""
    told, names = [], [name.replace("_", " ") for name in factors]
    for variant, lines in curves.items():
        spans = [float(np.ptp(line)) for line in lines]
        most, least = int(np.argmax(spans)), int(np.argmin(spans))
        told.append(
            f"on {variant} it spans {spans[most]:.1f} standard deviations over {names[most]}, the most, and "
            f"{spans[least]:.1f} over {names[least]}, the least"
        )
    return f"Lines, one per factor, of the scalar's mean over the factor's values: {'; '.join(told)}."


def draw_scalars(path: Path, curves: Mapping[str, Sequence[np.ndarray]], factors: Sequence[str]) -> None:
    """Plot one panel per variant: the scalar over each factor.

    Args:
        path: Path of the PNG.
        curves: Variant → for each factor E[s | w_k] over its values, in standard deviations of s.
        factors: Names of the factors.

    """
    figure = style.new_figure(0.5 + 1.7 * len(curves))
    panels = figure.subplots(len(curves), 1, squeeze=False)[:, 0]
    for axes, (variant, lines) in zip(panels, curves.items(), strict=True):
        for k, line in enumerate(lines):
            axes.plot(
                np.linspace(-1, 1, len(line)), line, color=FACTOR_COLOURS[k % len(FACTOR_COLOURS)],
                linestyle=LINES[k % len(LINES)], linewidth=1.6, label=in_figure(factors[k].replace("_", " ")),
            )  # fmt: skip
        axes.set_title(f"{variant}: scalar over each factor, mean over the others", fontsize=style.NORMAL, loc="left")
        axes.set_ylabel("s, std. dev.", fontsize=style.SMALL)
        axes.set_ylim(-2.2, 2.2)
        style.plain(axes, grid="y")
    panels[-1].set_xlabel("factor, from its first value to its last", fontsize=style.SMALL)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, fontsize=style.SMALL, frameon=False)
    style.save(figure, path)


def scalar_table(networks: Mapping[str, Sequence[PatternResult]], factors: Sequence[str]) -> TextTable:
    """Build a table with patterns as rows and factors as columns: main and total effect of each factor on the scalar.

    Args:
        networks: Variant → results of the networks that generate its patterns; if there are more than `MOST_LINES`, they are
            averaged.
        factors: Names of the factors, in the order of the effects.

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
        "factors in effect: exp(entropy of the total effects); linear: R² of the best linear function. For x′ − x as "
        "stored: its variance as a share of the images' own, and its roughness, the change by one step of every factor "
        "divided by the variance.",
    )


def _scalar_cells(found: Sequence[PatternResult]) -> tuple[Cell, ...]:
    """Return the cells of one line, with means over patterns."""
    scalars, patterns = [one.scalar for one in found], [one.pattern for one in found]
    mains, totals = (np.mean([getattr(scalar, kind) for scalar in scalars], axis=0) for kind in ("main", "total"))
    return (
        *(Cell(f"{main:.2f}", (f"{total:.2f}",)) for main, total in zip(mains, totals, strict=True)),
        Cell(f"{np.mean([scalar.effective for scalar in scalars]):.2f}"),
        Cell(f"{np.mean([scalar.linear for scalar in scalars]):.2f}"),
        Cell(f"{np.mean([pattern.share for pattern in patterns]):.0%}"),
        Cell(f"{np.mean([pattern.roughness for pattern in patterns]):.2f}"),
    )
