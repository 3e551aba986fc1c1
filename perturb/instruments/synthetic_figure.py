"""The figure of the study of vectors: DS over DtO."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from perturb.analysis.vector_study import Measured
from perturb.report import style

ByName = Mapping[str, Measured]
"""Measurements by the name of a method, or by ratio."""
LOOKS = (("#4477aa", "o"), ("#228833", "D"), ("#ccbb44", "s"), ("#ee6677", "^"))
"""Colours and markers of the methods, in their order."""
SHADES = (("#99ccee", "o"), ("#4477aa", "D"), ("#223355", "s"))
"""Colours and markers of the ratios, in their order."""
GREY = "#999999"


def draw_panels(
    path: Path, panels: Mapping[str, ByName], *, random: Mapping[str, float], turned: Mapping[str, np.ndarray]
) -> None:
    """Plot a mark for each model that has both DtO and DS.

    Args:
        path: Path of the PNG.
        panels: Models by the title of their panel and by their name in its legend.
        random: Mean DtO of random decoders by panel. Panels without it compare ratios.
        turned: DtO and DS of a rotated square, (angles, 2), for the panels that show it.

    """
    figure = style.new_figure(3.1, width=7.6)
    for axes, (title, models) in zip(figure.subplots(1, len(panels), sharey=True), panels.items(), strict=True):
        looks = LOOKS if title in random else SHADES
        for (name, one), (colour, marker) in zip(models.items(), looks, strict=False):
            if np.isfinite(one.scores).any():
                axes.plot(one.distances, one.scores, marker, color=colour, alpha=0.8, markersize=6, label=name)
        if title in random:
            axes.axvline(random[title], color=GREY, linewidth=1, zorder=0)
        if title in turned:
            axes.plot(*turned[title].T, color=GREY, linewidth=1, linestyle="--", zorder=0)
        axes.set(xlim=(-0.05, 1.14), ylim=(-0.04, 1.04))
        axes.set_title(title, fontsize=style.NORMAL, loc="left")
        axes.set_xlabel("DtO", fontsize=style.SMALL)
        axes.legend(fontsize=style.SMALL, frameon=False)
        style.plain(axes, grid="both")
    figure.axes[0].set_ylabel("DS", fontsize=style.SMALL)
    style.save(figure, path)
