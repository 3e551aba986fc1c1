"""Scores run by run, and factor by factor (thesis Figures 4.8 and 4.9)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from perturb.config import MethodConfig
from perturb.escapes import in_figure
from perturb.metrics import METRICS
from perturb.report import inputs, style
from perturb.report.findings import Findings
from perturb.report.section import Picture, Section
from perturb.statistics.saved_scores import ScoresResult
from perturb.statistics.scores import BASELINE, Score, scored

BINS = 20
"""Number of bins between 0 and the top of the scale."""


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield Figures 4.8 and 4.9: every run's MIG, and the MIG of each factor for the first β-VAE with runs."""
    config = findings.config
    if "mig" not in config.evaluation.metrics or len(config.evaluation.variants) == 1:
        return
    figures = []
    if "modified" in config.evaluation.variants:
        draw_histogram(out / "histogram.png", findings.scores, "mig")
        figures.append(
            Picture(
                out / "histogram.png",
                "MIG of all runs on the original and on modified images (Figure 4.8).",
                _alt_of_histogram(findings.scores, "mig"),
            )
        )
    for method in config.evaluation.methods:
        gaps = _gaps(findings, method) if method.objective.kind == "beta_vae" else {}
        if gaps:
            path = out / "mig_by_factor.png"
            draw_by_factor(path, gaps, findings.grid.names, title=method.name)
            alt = _alt_by_factor(gaps, [name.replace("_", " ") for name in findings.grid.names])
            figures.append(Picture(path, f"{method.name}: MIG factor by factor (Figure 4.9).", alt))
            break
    if figures:
        yield Section(title="Run by run, factor by factor", figures=figures)


def _alt_of_histogram(scores: Sequence[Score], metric: str, *, variant: str = "modified") -> str:
    """Return alternative text: the scores of each method's runs on the variant and on the original."""
    told = []
    for method in dict.fromkeys(score.method for score in scores):
        parts = []
        for name in (BASELINE, variant):
            values = [value for score, value in scored(scores, metric) if (score.method, score.variant) == (method, name)]
            parts.append(f"{name} {min(values):.2f} to {max(values):.2f}" if values else f"{name} none")
        told.append(f"{method}: {', '.join(parts)}")
    title = METRICS[metric].title
    return f"Histograms of {title}, one panel per method, {variant} filled and original outlined. {'; '.join(told)}."


def _alt_by_factor(gaps: Mapping[str, np.ndarray], factors: Sequence[str]) -> str:
    """Return alternative text: the mean of each factor on each variant."""
    told = [
        f"{variant}: " + ", ".join(f"{name} {mean:.2f}" for name, mean in zip(factors, values.mean(axis=0), strict=True))
        for variant, values in gaps.items()
    ]
    return f"Marks of the runs, factors down, one colour per variant. Means on {'; '.join(told)}."


def draw_histogram(path: Path, scores: Sequence[Score], metric: str, *, variant: str = "modified") -> None:
    """Plot one panel per method: the share of runs by score on a variant, filled, and on the original, outlined.

    The thesis asks whether some models still disentangle the altered data.
    """
    from matplotlib.ticker import PercentFormatter

    shown = scored([score for score in scores if score.variant in (variant, BASELINE)], metric)
    methods = list(dict.fromkeys(score.method for score in scores))
    top = max([1.0 if METRICS[metric].range[1] == 1 else 0.0, *(value for _, value in shown)])
    edges = np.linspace(0, top, BINS + 1)
    figure = style.new_figure(0.8 + 1.05 * len(methods))
    axes = figure.subplots(len(methods), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for panel, method in zip(axes, methods, strict=True):
        found = {v: [x for s, x in shown if (s.method, s.variant) == (method, v)] for v in (variant, BASELINE)}
        shares = {name: np.full(len(values), 1 / max(len(values), 1)) for name, values in found.items()}
        panel.hist(found[variant], edges, weights=shares[variant], color=style.colour(variant), alpha=0.75, label=variant)
        panel.hist(found[BASELINE], edges, weights=shares[BASELINE], histtype="step", linewidth=1.4,
                   color=style.colour(BASELINE), label=BASELINE)  # fmt: skip
        panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panel.set_title(in_figure(method), fontsize=style.NORMAL, loc="left")
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
    """Plot the runs' values by factor and variant: one mark per run, the mean as a bar.

    Args:
        path: Path of the PNG.
        gaps: Variant → (runs, factors), such as `mig_factor_0`, … from the scores' details.
        factors: Names of the factors.
        title: Title of the figure: the method.
        axis: Label of the horizontal axis.

    """
    step = 0.8 / len(gaps)
    figure = style.new_figure(0.95 + (0.16 + 0.17 * len(gaps)) * len(factors))
    axes = figure.subplots()
    for number, (variant, values) in enumerate(gaps.items()):
        for k in range(len(factors)):
            place = k + (number - (len(gaps) - 1) / 2) * step
            runs = np.asarray(values, dtype=np.float64).reshape(-1, len(factors))[:, k]
            dots = place + style.jitter(len(runs), width=step / 2)
            axes.scatter(runs, dots, s=12, color=style.colour(variant), marker=style.marker(variant), alpha=0.6,
                         linewidths=0)  # fmt: skip
            if len(runs):
                axes.vlines(runs.mean(), place - step / 2.2, place + step / 2.2, color="black", linewidth=1.6, zorder=3)
    axes.set_yticks(range(len(factors)), [in_figure(name.replace("_", " ")) for name in factors])
    axes.set_ylim(len(factors) - 0.5, -0.5)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    style.plain(axes, grid="x")
    axes.set_title(in_figure(title), fontsize=style.NORMAL, loc="left")
    axes.set_xlabel(axis, fontsize=style.NORMAL)
    axes.set_ylabel("factor", fontsize=style.NORMAL)
    handles = style.variant_handles(list(gaps), linestyle="")
    style.legend_above(figure, [*handles, style.tick_handle("mean over runs")])
    style.save(figure, path)


def _gaps(findings: Findings, method: MethodConfig) -> dict[str, np.ndarray]:
    """Return the per-factor MIG of a method's runs, variant → (runs, factors), without failed runs."""
    found: dict[str, list[list[float]]] = {}
    for variant in findings.config.evaluation.variants:
        for seed in findings.config.evaluation.seeds_of(method):
            details = findings.result(inputs.scores(method.name, variant, seed), ScoresResult).details
            if details is not None and "mig" in details:
                gaps = [details["mig"][f"mig_factor_{k}"] for k in range(findings.grid.num_factors)]
                found.setdefault(variant, []).append(gaps)
    return {variant: np.array(gaps) for variant, gaps in found.items()}
