"""Pictures: what the perturbation does to images, and to the scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap

import numpy as np

from perturb.metrics import METRICS
from perturb.report import style
from perturb.statistics.scores import Row, Score

LETTERS = 16
"""Letters of a title that fit above an image."""


def draw_images(path: Path, originals: np.ndarray, variants: Mapping[str, np.ndarray], *, epsilon: float) -> None:
    """Originals, perturbations and perturbed images side by side, as in thesis Figure 4.3.

    Args:
        path: of the PNG.
        originals: uint8 (n, height, width, channels), one row of the picture each.
        variants: by name, the same images changed; each gets two columns, its difference and itself.
        epsilon: the differences are drawn from −ε (black) over 0 (grey) to ε (white).

    """
    from matplotlib.figure import Figure

    columns = 1 + 2 * len(variants)
    titles = {name: "\n".join(wrap(name.replace("_", " "), LETTERS)) for name in variants}
    lines = 1 + max((title.count("\n") for title in titles.values()), default=0) + 1
    figure = Figure(figsize=(1.25 * columns, 1.25 * len(originals) + 0.13 * lines + 0.1), dpi=140, layout="constrained")
    axes = figure.subplots(len(originals), columns, squeeze=False)
    for row, original in zip(range(len(originals)), originals, strict=True):
        _show(axes[row, 0], original, "original" if row == 0 else "")
        for number, (name, images) in enumerate(variants.items()):
            change = (images[row].astype(np.float64) - original) / (2 * 255 * epsilon) + 0.5
            _show(axes[row, 1 + 2 * number], np.clip(change, 0, 1), f"{titles[name]}\n− original" if row == 0 else "")
            _show(axes[row, 2 + 2 * number], images[row], titles[name] if row == 0 else "")
    figure.savefig(path, metadata={"Software": None})


def _show(axes: "matplotlib.axes.Axes", image: np.ndarray, title: str) -> None:  # noqa: F821
    if image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    else:
        axes.imshow(image)
    axes.set_title(title, fontsize=7)
    axes.set_axis_off()


def draw_scores(path: Path, scores: Sequence[Score], rows: Sequence[Row], metric: str) -> None:
    """Each run's score as a dot, pairs joined by lines, mean as a bar: a panel a method, variants across.

    Of several draws of a pattern, all runs are dots and lines go through the mean of a seed's.
    """
    from matplotlib.figure import Figure

    methods = list(dict.fromkeys(score.method for score in scores))
    variants = list(dict.fromkeys(score.variant for score in scores))
    figure = Figure(figsize=(1.0 + (0.6 + 0.75 * len(variants)) * len(methods), 3.4), dpi=140, layout="constrained")
    axes = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    for panel, method in zip(axes, methods, strict=True):
        found: dict[tuple[str, int], list[float]] = {}
        for score in (s for s in scores if s.method == method and s.values is not None):
            found.setdefault((score.variant, score.seed), []).append(score.values[metric])
        for seed in sorted({seed for _, seed in found}):
            line = [(i, np.mean(found[v, seed])) for i, v in enumerate(variants) if (v, seed) in found]
            panel.plot(*zip(*line, strict=True), color="#00000022", linewidth=0.8, zorder=1)
        for place, variant in enumerate(variants):
            values = [value for (name, _), of_draws in found.items() if name == variant for value in of_draws]
            panel.scatter([place] * len(values), values, s=14, color=style.colour(variant), zorder=2)
        means = {row.variant: row.mean for row in rows if (row.method, row.metric) == (method, metric)}
        for place, variant in enumerate(variants):
            if means[variant] is not None:
                panel.hlines(means[variant], place - 0.28, place + 0.28, color="black", linewidth=1.8, zorder=3)
        panel.set_title(method, fontsize=10)
        panel.set_xticks(range(len(variants)), variants, rotation=25, fontsize=8)
        panel.set_xlim(-0.6, len(variants) - 0.4)
        panel.set_ylim(bottom=0)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", alpha=0.25)
    axes[0].set_ylabel(METRICS[metric].title)
    figure.savefig(path, metadata={"Software": None})
