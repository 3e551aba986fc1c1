"""Losses over the steps: whether trainings have settled, and where variants differ on the way."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perturb.report import style
from perturb.report.curves import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN = "loss", "discriminator"
"""Parts that get a panel where a method has them."""
ACROSS = 2
FIRST = 0.1
"""Share of the steps, the first ones, whose losses may lie outside a panel: they would flatten the rest."""
MARGIN = 0.06


def draw_curves(path: Path, curves: Sequence[Curve]) -> None:
    """A panel for each method's loss, and for its discriminator's; a line for each variant.

    Lines are means over trainings, bands go from the lowest to the highest. A failed training is a dotted line of its own,
    up to where it ended.

    Args:
        path: of the PNG.
        curves: of all trainings; those without a point are left out.

    """
    curves = [curve for curve in curves if len(curve.columns["step"])]
    variants = list(dict.fromkeys(curve.variant for curve in curves))
    shown = [(method, part) for method in dict.fromkeys(c.method for c in curves) for part in DRAWN
             if any(c.method == method and part in c.columns for c in curves)]  # fmt: skip
    rows = max(-(-len(shown) // ACROSS), 1)
    figure = style.new_figure(0.6 + 1.3 * rows)
    axes = figure.subplots(rows, ACROSS, squeeze=False).ravel()
    for panel, (method, part) in zip(axes, shown, strict=False):
        found = [curve for curve in curves if curve.method == method]
        for variant in variants:
            _draw_variant(panel, [curve for curve in found if curve.variant == variant], part, style.colour(variant))
        panel.set_ylim(_limits([curve for curve in found if not curve.failed] or found, part))
        panel.set_title(method if part == "loss" else f"{method}, {part}", fontsize=style.SMALL, loc="left")
        panel.set_xlim(left=0)
        style.plain(panel, grid="y")
        panel.tick_params(labelsize=style.SMALL - 1.5)
    for panel in axes[len(shown) :]:
        panel.set_axis_off()
    figure.supxlabel("steps", fontsize=style.SMALL)
    style.legend_above(figure, _legend(variants))
    style.save(figure, path)


def _draw_variant(axes: "Axes", curves: Sequence[Curve], part: str, colour: str) -> None:
    finished = [curve for curve in curves if not curve.failed]
    if finished:
        steps, losses = finished[0].columns["step"], np.stack([curve.columns[part] for curve in finished])
        axes.fill_between(steps, losses.min(axis=0), losses.max(axis=0), color=colour, alpha=0.15, linewidth=0)
        axes.plot(steps, losses.mean(axis=0), color=colour, linewidth=1.2)
    for curve in curves:
        if curve.failed:
            axes.plot(curve.columns["step"], curve.columns[part], color=colour, linewidth=0.8, linestyle=":")


def _limits(curves: Sequence[Curve], part: str) -> tuple[float, float]:
    """Limits of the axis: from the lowest to the highest loss after the first steps, with a margin."""
    kept = np.concatenate([c.columns[part][c.columns["step"] > FIRST * c.columns["step"][-1]] for c in curves])
    low, high = np.quantile(kept[np.isfinite(kept)], [0, 1]) if np.isfinite(kept).any() else (0.0, 0.0)
    margin = MARGIN * (high - low) or 1.0
    return low - margin, high + margin


def _legend(variants: Sequence[str]) -> list["matplotlib.lines.Line2D"]:  # noqa: F821
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=style.colour(variant), linewidth=2, label=variant) for variant in variants]
