"""Violins over the line search, as in thesis Figures 4.4 to 4.7; nothing is left out of sight."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perturb.metrics import METRICS
from perturb.report import style
from perturb.report.search import SearchPoint, chosen, kept

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST = 3
"""Runs that a violin is drawn of; below, dots alone."""


def draw_search(
    path: Path, points: Sequence[SearchPoint], metric: str, *, levels: Mapping[str, float] | None = None
) -> None:
    """A panel a method; across, the factor on its hyper-parameter; at each, a violin and its runs for every variant.

    Violins and filled dots are of runs with all units active. Over-pruned runs, which the thesis discards, are crosses, with
    their number at the upper edge.

    Args:
        path: of the PNG.
        points: of all runs.
        metric: key of their scores.
        levels: method → a score to hold them against, its mean on the original with the usual setting; a dashed line.

    """
    methods = list(dict.fromkeys(point.score.method for point in points))
    variants = list(dict.fromkeys(point.score.variant for point in points))
    figure = style.new_figure(0.75 + 1.75 * len(methods))
    axes = figure.subplots(len(methods), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    factors = sorted({point.factor for point in points})
    top = max((point.score.values[metric] for point in points if point.score.values is not None), default=1.0) or 1.0
    for panel, method in zip(axes, methods, strict=True):
        for place, factor in enumerate(factors):
            for number, variant in enumerate(variants):
                offset = (number - (len(variants) - 1) / 2) * 0.8 / len(variants)
                found = chosen(points, method=method, variant=variant, factor=factor)
                _draw_one(panel, place + offset, 0.72 / len(variants), found, metric, variant)
        if levels and method in levels:
            panel.axhline(levels[method], color="#444444", linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        panel.set_title(method, fontsize=style.NORMAL, loc="left")
        panel.set_ylim(-0.03 * top, 1.15 * top)
        panel.set_xlim(-0.55, len(factors) - 0.45)
        style.plain(panel, grid="y")
        panel.set_ylabel(METRICS[metric].title, fontsize=style.SMALL)
    axes[-1].set_xticks(range(len(factors)), [f"×{factor:g}" for factor in factors])
    axes[-1].set_xlabel("primary hyper-parameter", fontsize=style.NORMAL)
    style.legend_above(figure, _legend(variants, points, levels), handletextpad=0.3, columnspacing=1.0)
    style.save(figure, path)


def _draw_one(axes: "Axes", place: float, width: float, points: Sequence[SearchPoint], metric: str, variant: str) -> None:
    """One violin, its dots, its crosses and their number."""
    colour, values = style.colour(variant), kept(points, metric)
    if len(values) >= FEWEST and np.ptp(values) > 1e-9:
        (body,) = axes.violinplot([values], [place], widths=width, showextrema=False)["bodies"]
        body.set(facecolor=colour, alpha=0.3, edgecolor=colour, linewidth=0.8)
    axes.scatter(place + style.jitter(len(values), width=width / 3), values, s=9, color=colour, linewidths=0, zorder=3)
    if values:
        axes.hlines(np.mean(values), place - width / 2.4, place + width / 2.4, color="black", linewidth=1.4, zorder=4)
    pruned = [point.score.values[metric] for point in points if point.over_pruned]
    if pruned:
        crosses = place + style.jitter(len(pruned), width=width / 2)
        axes.scatter(crosses, pruned, s=16, marker="x", color=colour, linewidths=0.9, alpha=0.8, zorder=2)
        axes.text(place, 0.985, str(len(pruned)), transform=axes.get_xaxis_transform(), color=colour, ha="center", va="top",
                  fontsize=style.SMALL)  # fmt: skip


def _legend(
    variants: Sequence[str], points: Sequence[SearchPoint], levels: Mapping[str, float] | None
) -> list["matplotlib.lines.Line2D"]:  # noqa: F821
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=style.colour(v), marker="o", markersize=4, linestyle="", label=v) for v in variants]
    if any(point.over_pruned for point in points):
        handles.append(Line2D([], [], color="#444444", marker="x", markersize=4, linestyle="", label="over-pruned (number)"))
    if levels:
        handles.append(Line2D([], [], color="#444444", linewidth=1, linestyle=(0, (4, 3)), label="original, usual setting"))
    return handles
