"""What the scalar of a pattern follows, and what that does to the local variances."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from perturb.analysis.variances import Variances
from perturb.report import style
from perturb.statistics.scores import BASELINE

FACTOR_COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa8800", "#66ccee", "#aa3377", "#777777")
LINES = ("-", "--", "-.", ":")


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
                linestyle=LINES[k % len(LINES)], linewidth=1.6, label=factors[k].replace("_", " "),
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


def _bars(axes: "matplotlib.axes.Axes", variances: Mapping[str, Variances], factors: Sequence[str]) -> None:  # noqa: F821
    """Local variances of each factor: of the original, then of every variant."""
    first = next(iter(variances.values()))
    heights = {BASELINE: [factor.locally.original for factor in first.factors]}
    heights |= {name: [factor.locally.variant for factor in found.factors] for name, found in variances.items()}
    width = 0.8 / len(heights)
    for number, (name, values) in enumerate(heights.items()):
        places = np.arange(len(factors)) + (number - (len(heights) - 1) / 2) * width
        axes.bar(places, values, width=width, color=style.colour(name), label=name)
    axes.set_xticks(range(len(factors)), [name.replace("_", " ") for name in factors])
    axes.set_title("Local variance: mean squared change by one step", fontsize=style.NORMAL, loc="left")
    axes.legend(fontsize=style.SMALL, frameon=False)
    style.plain(axes, grid="y")
