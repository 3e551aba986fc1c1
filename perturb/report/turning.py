"""Figure panels on rotating the axes: the saving on each variant's images, and the change of scores."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from perturb.escapes import in_figure
from perturb.report import style
from perturb.statistics.scores import Comparison, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPREAD = 0.5
"""Height over which the marks of a line are spread, as a fraction of a line."""
MOST_TICKS = 4
"""Maximum number of tick intervals on the horizontal axis, since the panels are half as wide as a phone."""


def lines_of_variants(axes: "Axes", variants: Sequence[str]) -> None:
    """Lay out a panel with a line for each variant, the first at the top."""
    axes.set_yticks(range(len(variants)), [in_figure(variant.replace("_", " ")) for variant in variants])
    axes.set_ylim(len(variants) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=MOST_TICKS)
    style.plain(axes, grid="x")


def draw_savings(axes: "Axes", savings: Mapping[str, Sequence[float]]) -> None:
    """Plot a line for each variant: a mark for each of its savings, in nats per unit of β, and a bar for the mean."""
    for place, (variant, values) in enumerate(savings.items()):
        colour = style.colour(variant)
        if not values:
            axes.annotate("not measured", (0, place), fontsize=style.SMALL, color="#777777", va="center")
            continue
        axes.barh(place, np.mean(values), height=0.62, color=colour, alpha=0.45)
        if len(values) > 1:
            places = place + style.jitter(len(values), width=SPREAD)
            axes.scatter(values, places, s=16, color=colour, marker=style.marker(variant), linewidths=0, zorder=3)
    lines_of_variants(axes, list(savings))
    axes.set_xlim(left=0)
    axes.set_xlabel("nats per unit of β", fontsize=style.SMALL)


def draw_changes(
    axes: "Axes",
    variants: Sequence[str],
    groups: Sequence[Mapping[str, Comparison | Row]],
    *,
    title: str,
    losses: Mapping[str, float] | None = None,
) -> None:
    """Plot a line for each variant: the change of a score from the original with its interval, per group of methods.

    Args:
        axes: The panel.
        variants: The variants, one line each.
        groups: Changes by variant for each group; marks of the first group are filled, those of the others open.
        title: Title of the metric.
        losses: Predicted losses by variant, drawn as crosses.

    """
    axes.axvline(0, color="#444444", linewidth=1)
    for number, changes in enumerate(groups):
        offset = (number - (len(groups) - 1) / 2) * SPREAD / max(len(groups), 1)
        for place, variant in enumerate(variants):
            found = changes.get(variant)
            if found is None or found.difference is None:
                continue
            colour = style.colour(variant)
            if found.ci_low is not None and found.ci_high is not None:
                axes.hlines(place + offset, found.ci_low, found.ci_high, color=colour, linewidth=2)
            axes.scatter(
                found.difference, place + offset, s=30, marker=style.marker(variant), zorder=3,
                facecolors=colour if number == 0 else "white", edgecolors=colour, linewidths=1.4,
            )  # fmt: skip
    for place, variant in enumerate(variants):
        if losses and variant in losses:
            axes.scatter(-losses[variant], place, s=36, color="black", marker="x", linewidths=1.2, zorder=4)
    lines_of_variants(axes, variants)
    axes.set_xlabel(f"{title}: variant − original", fontsize=style.SMALL)
