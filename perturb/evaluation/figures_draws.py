"""Several draws of a pattern: is the drop one pattern's, or that of patterns of its kind?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perturb.evaluation import figure_style as style
from perturb.evaluation.statistics import Score
from perturb.metrics import METRICS


def draw_draws(path: Path, scores: Sequence[Score], metric: str) -> None:
    """Methods down, a line for each variant: the mean score of each draw as an open mark, the mean of draws as a bar."""
    methods, variants = (list(dict.fromkeys(getattr(score, key) for score in scores)) for key in ("method", "variant"))
    step = 0.74 / len(variants)
    figure = style.new_figure(1.0 + (0.14 + 0.17 * len(variants)) * len(methods))
    axes = figure.subplots()
    for number, variant in enumerate(variants):
        for row, method in enumerate(methods):
            place = row + (number - (len(variants) - 1) / 2) * step
            means = _means([s for s in scores if (s.method, s.variant) == (method, variant)], metric)
            axes.scatter(means, np.full(len(means), place), s=24, facecolor="white", edgecolor=style.colour(variant),
                         marker=style.marker(variant), linewidths=1.3, label=variant if row == 0 else None,
                         zorder=3)  # fmt: skip
            if means:
                axes.vlines(np.mean(means), place - step / 2.2, place + step / 2.2, color="black", linewidth=1.6, zorder=2)
    axes.set_yticks(range(len(methods)), methods)
    axes.set_ylim(len(methods) - 0.5, -0.5)
    for edge in range(1, len(methods)):
        axes.axhline(edge - 0.5, color="#00000018", linewidth=0.8)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    style.plain(axes, grid="x")
    axes.set_xlabel(f"{METRICS[metric].title}, mean over the seeds of a draw", fontsize=style.NORMAL)
    figure.legend(loc="outside upper left", ncols=2 if len(variants) > 3 else 3, fontsize=style.SMALL, frameon=False)
    style.save(figure, path)


def _means(scores: Sequence[Score], metric: str) -> list[float]:
    """Of each draw that has a score."""
    draws = sorted({score.draw for score in scores})
    found = [[s.values[metric] for s in scores if s.draw == draw and s.values is not None] for draw in draws]
    return [float(np.mean(values)) for values in found if values]
