"""The line search over the primary hyper-parameter (thesis 4.3.4): does a tuned model recover its score?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from perturb.escapes import in_figure
from perturb.metrics import METRICS
from perturb.report import style
from perturb.report.findings import Findings
from perturb.report.section import Picture, Section
from perturb.report.table import Cell, TextTable
from perturb.report.tables import spread
from perturb.report.thesis import FIGURES
from perturb.statistics.scores import BASELINE, Score, scored

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D

FEWEST = 3
"""Minimum number of runs for a violin; with fewer, only dots are drawn."""


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the section on whether another value of the hyper-parameter would have preserved the score."""
    wanted = findings.config.search
    if wanted is None:
        return
    points = [SearchPoint(run.factor, score) for run, score in findings.searched.items()]
    text = (
        "Each method's primary hyper-parameter, multiplied. Runs with fewer active units than factors are marked; the "
        "thesis leaves them out, here they are shown and counted."
    )
    yield Section(
        title="Line search",
        text=[text],
        tables=[search_table(points, metric) for metric in wanted.metrics],
        figures=[_picture(findings, out, points, metric) for metric in wanted.metrics],
    )


def _picture(findings: Findings, out: Path, points: Sequence["SearchPoint"], metric: str) -> Picture:
    """Draw one metric's figure: search.png for the first metric, search_<metric>.png for others."""
    levels = {
        row.method: row.mean
        for row in findings.rows
        if (row.metric, row.variant) == (metric, BASELINE) and row.mean is not None
    }
    first = findings.config.search is not None and metric == findings.config.search.metric
    path = out / ("search.png" if first else f"search_{metric}.png")
    draw_search(path, points, metric, levels=levels)
    kept = not_pruned(points, metric)
    spread_of_kept = f" Scores of the runs kept lie from {min(kept):.2f} to {max(kept):.2f}." if kept else ""
    pruned = sum(point.over_pruned for point in points)
    alt = (
        f"Violins and dots of {METRICS[metric].title}, one panel per method, the factor on the hyper-parameter across, one "
        f"colour per variant.{spread_of_kept} {pruned} of {len(points)} runs are over-pruned."
    )
    alike = f" (as the thesis's Figure {FIGURES[metric]})" if metric in FIGURES else ""
    return Picture(path, f"{METRICS[metric].title} over the line search{alike}.", alt)


@dataclass(frozen=True)
class SearchPoint:
    """One run of the search."""

    factor: float
    """Factor by which the method's primary hyper-parameter is multiplied: 0.75 to 2.0 in the thesis."""
    score: Score

    @property
    def over_pruned(self) -> bool:
        """True if it has a score but fewer active units than factors; the thesis discards such runs."""
        return self.score.values is not None and self.score.over_pruned


def not_pruned(points: Sequence[SearchPoint], metric: str) -> list[float]:
    """Return the scores of the runs that neither failed nor are over-pruned."""
    return [value for _, value in scored([point.score for point in points if not point.over_pruned], metric)]


def chosen(points: Sequence[SearchPoint], **wanted: str | float) -> list[SearchPoint]:
    """Select the points with the given `method`, `variant` or `factor`."""
    return [p for p in points if all(getattr(p if k == "factor" else p.score, k) == v for k, v in wanted.items())]


def search_table(points: Sequence[SearchPoint], metric: str) -> TextTable:
    """Build a table with methods and variants as rows and factors as columns.

    Cells are mean ± deviation of the runs kept, with the numbers of over-pruned and failed runs.
    """
    factors = sorted({point.factor for point in points})
    lines = []
    for method in dict.fromkeys(point.score.method for point in points):
        for variant in dict.fromkeys(p.score.variant for p in points if p.score.method == method):
            cells = [_cell(chosen(points, method=method, variant=variant, factor=factor), metric) for factor in factors]
            lines.append((f"{method}, {variant}", tuple(cells)))
    return TextTable(
        title=f"{METRICS[metric].title} by the factor on the primary hyper-parameter",
        corner="Method, variant",
        columns=tuple(f"×{factor:g}" for factor in factors),
        lines=tuple(lines),
        note="Over-pruned runs are counted but, as in the thesis, not included in the means.",
    )


def _cell(points: Sequence[SearchPoint], metric: str) -> Cell:
    if not points:
        return Cell("–")
    values, pruned = not_pruned(points, metric), sum(point.over_pruned for point in points)
    failed = sum(point.score.values is None for point in points)
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    details = [f"{pruned} over-pruned"] if pruned else []
    details += [f"{failed} failed"] if failed else []
    return Cell(spread(float(np.mean(values)), deviation) if values else "none kept", tuple(details))


def draw_search(
    path: Path, points: Sequence[SearchPoint], metric: str, *, levels: Mapping[str, float] | None = None
) -> None:
    """Plot one panel per method over the factor on its hyper-parameter, with a violin and dots for every variant.

    Violins and filled dots show runs that are not over-pruned. Over-pruned runs, which the thesis discards, are crosses,
    with their number at the upper edge.

    Args:
        path: Path of the PNG.
        points: Points of all runs.
        metric: Key of their scores.
        levels: Method → reference score, its mean on the original with the usual setting; drawn as a dashed line.

    """
    methods = list(dict.fromkeys(point.score.method for point in points))
    variants = list(dict.fromkeys(point.score.variant for point in points))
    figure = style.new_figure(0.75 + 1.75 * len(methods))
    axes = figure.subplots(len(methods), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    factors = sorted({point.factor for point in points})
    top = max((value for _, value in scored([point.score for point in points], metric)), default=1.0) or 1.0
    for panel, method in zip(axes, methods, strict=True):
        for place, factor in enumerate(factors):
            for number, variant in enumerate(variants):
                offset = (number - (len(variants) - 1) / 2) * 0.8 / len(variants)
                found = chosen(points, method=method, variant=variant, factor=factor)
                _draw_one(panel, place + offset, 0.72 / len(variants), found, metric, variant)
        if levels and method in levels:
            panel.axhline(levels[method], color="#444444", linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        panel.set_title(in_figure(method), fontsize=style.NORMAL, loc="left")
        panel.set_ylim(-0.03 * top, 1.15 * top)
        panel.set_xlim(-0.55, len(factors) - 0.45)
        style.plain(panel, grid="y")
        panel.set_ylabel(METRICS[metric].title, fontsize=style.SMALL)
    axes[-1].set_xticks(range(len(factors)), [f"×{factor:g}" for factor in factors])
    axes[-1].set_xlabel("factor on the primary hyper-parameter", fontsize=style.NORMAL)
    style.legend_above(figure, _legend(variants, points, levels), handletextpad=0.3, columnspacing=1.0)
    style.save(figure, path)


def _draw_one(axes: "Axes", place: float, width: float, points: Sequence[SearchPoint], metric: str, variant: str) -> None:
    """Draw one violin, its dots, its crosses and their number."""
    colour, values = style.colour(variant), not_pruned(points, metric)
    if len(values) >= FEWEST and np.ptp(values) > 1e-9:
        bodies = axes.violinplot([values], [place], widths=width, showextrema=False)["bodies"]
        cast("list[PolyCollection]", bodies)[0].set(facecolor=colour, alpha=0.3, edgecolor=colour, linewidth=0.8)
    axes.scatter(place + style.jitter(len(values), width=width / 3), values, s=9, color=colour, linewidths=0, zorder=3)
    if values:
        axes.hlines(np.mean(values), place - width / 2.4, place + width / 2.4, color="black", linewidth=1.4, zorder=4)
    pruned = [value for _, value in scored([point.score for point in points if point.over_pruned], metric)]
    if pruned:
        crosses = place + style.jitter(len(pruned), width=width / 2)
        axes.scatter(crosses, pruned, s=16, marker="x", color=colour, linewidths=0.9, alpha=0.8, zorder=2)
        axes.text(place, 0.985, str(len(pruned)), transform=axes.get_xaxis_transform(), color=colour, ha="center", va="top",
                  fontsize=style.SMALL)  # fmt: skip


def _legend(variants: Sequence[str], points: Sequence[SearchPoint], levels: Mapping[str, float] | None) -> list["Line2D"]:
    from matplotlib.lines import Line2D

    handles = style.variant_handles(variants, marker="o", markersize=4, linestyle="")
    handles.append(style.tick_handle("mean of the runs kept", marker="_"))
    if any(point.over_pruned for point in points):
        handles.append(Line2D([], [], color="#444444", marker="x", markersize=4, linestyle="", label="over-pruned (number)"))
    if levels:
        handles.append(Line2D([], [], color="#444444", linewidth=1, linestyle=(0, (4, 3)), label="original, usual setting"))
    return handles
