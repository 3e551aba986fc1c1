"""Predicted against measured: does the criterion that patterns are trained on tell what they take?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perturb.report import style


@dataclass(frozen=True, kw_only=True)
class PredictedPattern:
    """A pattern with the loss that was predicted for it and the loss that was measured."""

    variant: str
    name: str
    """The column's name: the variant, and from the second pattern on its number, as in `modified-3`."""
    gain: float
    """The saving by turning the axes (perturbation/local_metric.py): 0 where they are already the cheapest."""
    predicted: float
    """The MIG of the original codes, less their MIG on the axes that the pattern makes cheapest. Gain and prediction are of
    the images' part within the directions in which the originals vary (analysis/prediction.py)."""
    predicted_whole: float
    """The prediction from the images as they are."""
    measured: float
    """The MIG that retrained models lose, variant against original."""


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's, in [-1, 1]; None below three pairs, or where a side does not vary."""
    from scipy.stats import spearmanr

    if len(first) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    return float(spearmanr(first, second).statistic)


def draw_prediction(path: Path, patterns: Sequence[PredictedPattern]) -> None:
    """A mark for each pattern: predicted loss of MIG across, measured loss up; equal on the dashed line."""
    from matplotlib.lines import Line2D

    figure = style.new_figure(3.8)
    axes = figure.subplots()
    variants = list(dict.fromkeys(pattern.variant for pattern in patterns))
    for pattern in patterns:
        axes.scatter(
            pattern.predicted, pattern.measured, s=32, color=style.colour(pattern.variant),
            marker=style.marker(pattern.variant), alpha=0.85, linewidths=0,
        )  # fmt: skip
    low, high = (
        bound(0.0, *(value for pattern in patterns for value in (pattern.predicted, pattern.measured)))
        for bound in (min, max)
    )
    axes.plot([low, high], [low, high], color="#444444", linewidth=1, linestyle="--")
    style.plain(axes, grid="both")
    axes.set_xlabel("MIG lost, predicted without training", fontsize=style.NORMAL)
    axes.set_ylabel("MIG lost, measured", fontsize=style.NORMAL)
    handles = [
        Line2D([], [], color=style.colour(v), marker=style.marker(v), markersize=5, linewidth=0, label=v) for v in variants
    ]
    style.legend_above(figure, handles)
    style.save(figure, path)
