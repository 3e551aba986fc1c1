"""Differences of scores from the original, and between variants."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from perturb.escapes import in_figure
from perturb.metrics import METRICS
from perturb.report import style
from perturb.report.findings import Findings
from perturb.report.section import Picture, Section
from perturb.report.sentences import comparisons_of
from perturb.report.tables import comparison_table, difference_table
from perturb.report.words import signed
from perturb.statistics.scores import BASELINE, Row, Score, scored

MOST_PANELS = 4
"""Maximum number of methods for which single runs are drawn."""


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the section with the difference of each score from the original, and between variants."""
    config, figures = findings.config, []
    for metric in config.evaluation.metrics:
        title = METRICS[metric].title
        if len(config.evaluation.methods) <= MOST_PANELS:
            draw_scores(out / f"{metric}.png", findings.scores, findings.rows, metric)
            caption = f"{title} of every run: one dot per seed, pairs joined, the mean as a bar."
            figures.append(Picture(out / f"{metric}.png", caption, _alt_of_scores(findings.rows, metric)))
        in_main_figure = metric == config.evaluation.metrics[0] and all(len(names) == 1 for names in findings.groups)
        if len(config.evaluation.variants) > 1 and not in_main_figure:
            draw_forest(out / f"{metric}_differences.png", findings.rows, metric)
            caption = f"{title}: variant − original with its 95 % interval, paired by seed."
            figures.append(Picture(out / f"{metric}_differences.png", caption, _alt_of_forest(findings.rows, metric)))
    meanings, tables = comparisons_of(config), []
    for pair, found in groupby(findings.comparisons, lambda comparison: (comparison.first, comparison.second)):
        tables.append(replace(comparison_table(list(found)), note=meanings[pair]))
    yield Section(title="Differences", figures=figures, tables=[*tables, difference_table(findings.rows)])


def _alt_of_scores(rows: Sequence[Row], metric: str) -> str:
    means = [row for row in rows if row.metric == metric and row.mean is not None]
    by_method = "; ".join(
        f"{method}: " + ", ".join(f"{row.variant} {row.mean:.2f}" for row in means if row.method == method)
        for method in dict.fromkeys(row.method for row in means)
    )
    return f"Dots of the runs' {METRICS[metric].title} over the variants, by method. Means: {by_method or 'no run'}."


def _alt_of_forest(rows: Sequence[Row], metric: str) -> str:
    """Return alternative text: the lowest and the highest change, and how many intervals exclude 0."""
    compared = [row for row in rows if row.metric == metric and row.difference is not None]
    kind = f"Marks with bars, methods down, one colour per variant: the change of {METRICS[metric].title}"
    if not compared:
        return f"{kind}. Nothing could be compared."
    low, high = (pick(compared, key=lambda row: row.difference or 0.0) for pick in (min, max))
    bounds = [(row.ci_low, row.ci_high) for row in compared if row.ci_low is not None and row.ci_high is not None]
    apart = sum(not bottom <= 0 <= top for bottom, top in bounds)
    return (
        f"{kind}, from {signed(low.difference)} ({low.method}, {low.variant}) to {signed(high.difference)} ({high.method}, "
        f"{high.variant}). {apart} of {len(bounds)} intervals exclude 0."
    )


def draw_scores(path: Path, scores: Sequence[Score], rows: Sequence[Row], metric: str) -> None:
    """Plot each run's score as a dot, with lines between pairs and the mean as a bar: one panel per method.

    Variants are on the horizontal axis. With several draws of a pattern, all runs are dots, and lines go through the mean
    over each seed's runs.
    """
    from matplotlib.figure import Figure

    methods = list(dict.fromkeys(score.method for score in scores))
    variants = list(dict.fromkeys(score.variant for score in scores))
    figure = Figure(figsize=(1.0 + (0.6 + 0.75 * len(variants)) * len(methods), 3.4), dpi=140, layout="constrained")
    axes = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    for panel, method in zip(axes, methods, strict=True):
        found: dict[tuple[str, int], list[float]] = {}
        for score, value in scored([score for score in scores if score.method == method], metric):
            found.setdefault((score.variant, score.seed), []).append(value)
        for seed in sorted({seed for _, seed in found}):
            line = [(i, np.mean(found[v, seed])) for i, v in enumerate(variants) if (v, seed) in found]
            panel.plot(*zip(*line, strict=True), color="#00000022", linewidth=0.8, zorder=1)
        for place, variant in enumerate(variants):
            values = [value for (name, _), of_draws in found.items() if name == variant for value in of_draws]
            panel.scatter([place] * len(values), values, s=14, color=style.colour(variant), zorder=2)
        means = {row.variant: row.mean for row in rows if (row.method, row.metric) == (method, metric)}
        for place, variant in enumerate(variants):
            if (mean := means[variant]) is not None:
                panel.hlines(mean, place - 0.28, place + 0.28, color="black", linewidth=1.8, zorder=3)
        panel.set_title(in_figure(method), fontsize=10)
        panel.set_xticks(range(len(variants)), variants, rotation=25, fontsize=8)
        panel.set_xlim(-0.6, len(variants) - 0.4)
        panel.set_ylim(bottom=0)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", alpha=0.25)
    axes[0].set_ylabel(METRICS[metric].title)
    figure.supxlabel("variant of the images", fontsize=9)
    figure.savefig(path, metadata={"Software": None})


def draw_forest(path: Path, rows: Sequence[Row], metric: str) -> None:
    """Plot a forest plot: per method a line for each variant, with the mean paired difference and its 95 % interval.

    With several draws of a pattern, each draw has a small tick at its own mean difference.
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
        if row.ci_low is not None and row.ci_high is not None:
            axes.hlines(place, row.ci_low, row.ci_high, color=colour, linewidth=2.2)
        axes.scatter(row.difference, place, s=26, color=colour, marker=style.marker(row.variant), zorder=3)
        ticks = [difference for _, difference in row.by_draw] if len(row.by_draw) > 1 else []
        axes.scatter(ticks, np.full(len(ticks), place), s=30, color="black", marker="|", linewidths=0.8, zorder=4)
    axes.set_yticks(range(len(methods)), list(map(in_figure, methods)))
    axes.set_ylim(len(methods) - 0.5, -0.5)
    for edge in range(1, len(methods)):
        axes.axhline(edge - 0.5, color="#00000018", linewidth=0.8)
    style.plain(axes, grid="x")
    axes.set_xlabel(f"{METRICS[metric].title}: variant − original", fontsize=style.NORMAL)
    axes.set_ylabel("method", fontsize=style.NORMAL)
    if variants:
        handles = style.variant_handles(variants, linewidth=2.2)
        ticked = any(len(row.by_draw) > 1 for row in shown if row.difference is not None)
        style.legend_above(figure, [*handles, *([style.tick_handle("one pattern's mean")] if ticked else [])])
    style.save(figure, path)
