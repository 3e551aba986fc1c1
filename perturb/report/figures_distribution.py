"""How scores are spread: the histogram of thesis Figure 4.8, and scores by factor as in Figure 4.9."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from perturb.metrics import METRICS
from perturb.report import style
from perturb.statistics.scores import BASELINE, Score

BINS = 20
"""Bins between 0 and the top of the scale."""


def draw_histogram(path: Path, scores: Sequence[Score], metric: str, *, variant: str = "modified") -> None:
    """A panel a method: share of runs by score on a variant, filled, and on the original, as an outline.

    The thesis asks whether some models disentangle the altered data all the same.
    """
    from matplotlib.ticker import PercentFormatter

    shown = [s for s in scores if s.variant in (variant, BASELINE) and s.values is not None]
    methods = list(dict.fromkeys(score.method for score in scores))
    top = max([1.0 if METRICS[metric].range[1] == 1 else 0.0, *(score.values[metric] for score in shown)])
    edges = np.linspace(0, top, BINS + 1)
    figure = style.new_figure(0.8 + 1.05 * len(methods))
    axes = figure.subplots(len(methods), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for panel, method in zip(axes, methods, strict=True):
        found = {v: [s.values[metric] for s in shown if (s.method, s.variant) == (method, v)] for v in (variant, BASELINE)}
        shares = {name: np.full(len(values), 1 / max(len(values), 1)) for name, values in found.items()}
        panel.hist(found[variant], edges, weights=shares[variant], color=style.colour(variant), alpha=0.75, label=variant)
        panel.hist(found[BASELINE], edges, weights=shares[BASELINE], histtype="step", linewidth=1.4,
                   color=style.colour(BASELINE), label=BASELINE)  # fmt: skip
        panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panel.set_title(method, fontsize=style.NORMAL, loc="left")
        style.plain(panel, grid="y")
        panel.set_ylabel("share of runs", fontsize=style.SMALL)
        panel.set_xlim(0, top)
    axes[-1].set_xlabel(METRICS[metric].title, fontsize=style.NORMAL)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, fontsize=style.SMALL, frameon=False)
    style.save(figure, path)


def draw_by_factor(
    path: Path, gaps: Mapping[str, np.ndarray], factors: Sequence[str], *, title: str, axis: str = "MIG of the factor"
) -> None:
    """Factors down, variants below each other: a mark a run, the mean as a bar.

    Args:
        path: of the PNG.
        gaps: variant → (runs, factors), as `mig_factor_0`, … of the scores' details.
        factors: their names.
        title: which method.
        axis: what the numbers are.

    """
    step = 0.8 / len(gaps)
    figure = style.new_figure(0.95 + (0.16 + 0.17 * len(gaps)) * len(factors))
    axes = figure.subplots()
    for number, (variant, values) in enumerate(gaps.items()):
        for k in range(len(factors)):
            place = k + (number - (len(gaps) - 1) / 2) * step
            runs = np.asarray(values, dtype=np.float64).reshape(-1, len(factors))[:, k]
            label = variant if k == 0 else None
            dots = place + style.jitter(len(runs), width=step / 2)
            axes.scatter(runs, dots, s=12, color=style.colour(variant), marker=style.marker(variant), alpha=0.6,
                         linewidths=0, label=label)  # fmt: skip
            if len(runs):
                axes.vlines(runs.mean(), place - step / 2.2, place + step / 2.2, color="black", linewidth=1.6, zorder=3)
    axes.set_yticks(range(len(factors)), [name.replace("_", " ") for name in factors])
    axes.set_ylim(len(factors) - 0.5, -0.5)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    style.plain(axes, grid="x")
    axes.set_title(title, fontsize=style.NORMAL, loc="left")
    axes.set_xlabel(axis, fontsize=style.NORMAL)
    figure.legend(loc="outside upper left", ncols=2 if len(gaps) > 2 else len(gaps), fontsize=style.SMALL, frameon=False)
    style.save(figure, path)
