"""Differences to the original with their intervals, for all methods at a glance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perturb.metrics import METRICS
from perturb.report import style
from perturb.statistics.scores import BASELINE, Row


def draw_forest(path: Path, rows: Sequence[Row], metric: str) -> None:
    """Methods down, a line for each variant: the mean paired difference as a mark, its 95 % interval as a bar.

    Of several draws of a pattern, each has a small tick at its own mean difference.
    """
    shown = [row for row in rows if row.metric == metric and row.variant != BASELINE]
    methods, variants = (list(dict.fromkeys(getattr(row, key) for row in shown)) for key in ("method", "variant"))
    step = 0.72 / max(len(variants), 1)
    figure = style.new_figure(1.0 + (0.14 + 0.17 * len(variants)) * len(methods))
    axes = figure.subplots()
    axes.axvline(0, color="#444444", linewidth=1)
    for row in shown:
        if row.difference is None:
            continue
        place = methods.index(row.method) + (variants.index(row.variant) - (len(variants) - 1) / 2) * step
        colour = style.colour(row.variant)
        if row.ci_low is not None:
            axes.hlines(place, row.ci_low, row.ci_high, color=colour, linewidth=2.2)
        axes.scatter(row.difference, place, s=26, color=colour, marker=style.marker(row.variant), zorder=3)
        ticks = [difference for _, difference in row.by_draw] if len(row.by_draw) > 1 else []
        axes.scatter(ticks, np.full(len(ticks), place), s=30, color="black", marker="|", linewidths=0.8, zorder=4)
    axes.set_yticks(range(len(methods)), methods)
    axes.set_ylim(len(methods) - 0.5, -0.5)
    for edge in range(1, len(methods)):
        axes.axhline(edge - 0.5, color="#00000018", linewidth=0.8)
    style.plain(axes, grid="x")
    axes.set_xlabel(f"{METRICS[metric].title}: variant − original", fontsize=style.NORMAL)
    _legend(figure, variants)
    style.save(figure, path)


def _legend(figure: "matplotlib.figure.Figure", variants: Sequence[str]) -> None:  # noqa: F821
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=style.colour(v), marker=style.marker(v), markersize=5, linewidth=2.2, label=v) for v in variants
    ]
    if handles:
        style.legend_above(figure, handles)
