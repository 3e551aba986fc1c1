# pyright: reportUnknownMemberType=false
"""Score and plot codes from any framework: an `.npz` with the arrays `codes` and `factors`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from perturb.config.metrics import DCIConfig, FittedConfig, MetricsConfig, Protocol
from perturb.config.section import Section
from perturb.datasets import FactorGrid
from perturb.datasets.npz import read_arrays
from perturb.errors import UserError
from perturb.escapes import in_terminal
from perturb.files import atomic_write
from perturb.machine import software_versions
from perturb.metrics import METRICS, Coded, chosen_settings, score_one
from perturb.metrics.coded import row_counts
from perturb.metrics.dci import importances
from perturb.metrics.mig import information_shares

KEYS = "codes", "factors"


def read_codes(path: Path) -> Coded:
    """Read codes (n, latents) and factors (n, factors) from a file.

    Raises:
        UserError: If there is no such file, it is not an `.npz`, or an array is missing or cannot be scored. Pickles are
            refused.

    """
    arrays = read_arrays(path, KEYS, "save codes with numpy.savez(path, codes=…, factors=…)")
    try:
        return Coded(*arrays)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def score_each(
    coded: Coded, metrics: Sequence[str], *, seed: int = 0, fast: bool = False, protocol: Protocol = "held_out"
) -> dict[str, Any]:
    """Compute every metric that is defined for the codes, and return a dictionary that can be written as JSON.

    Its keys are `rows`, `latents`, `factors`, `whole_grid`, `seed`, `scores` (by metric and name), `refused` (metric → why
    it has no value), `settings` (by metric), `notes`, `versions`.

    Args:
        coded: Codes and factors.
        metrics: Keys of METRICS.
        seed: Seed of every metric's own generator.
        fast: Whether to use the table's cheaper settings instead of disentanglement_lib's.
        protocol: Protocol for the metrics that fit a model.

    Raises:
        UserError: If a metric is unknown.

    """
    chosen = chosen_settings(metrics, None, fast=fast)
    found: dict[str, Any] = {"scores": {}, "refused": {}, "settings": {}, "notes": []}
    for name in dict.fromkeys(metrics):
        settings = _with_protocol(getattr(chosen, name), protocol)
        try:
            found["scores"][name] = score_one(coded, name, settings, seed=seed)
        except UserError as error:
            found["refused"][name] = str(error)
            continue
        found["settings"][name] = settings.model_dump(mode="json")
        found["notes"] += _note(METRICS[name].title, coded, settings)
    about = {"rows": len(coded), "latents": coded.latents, "factors": coded.num_factors, "whole_grid": coded.is_grid}
    return about | {"seed": seed} | found | {"versions": software_versions()}


def _with_protocol(settings: Section, protocol: Protocol) -> Section:
    return settings.model_copy(update={"protocol": protocol}) if isinstance(settings, FittedConfig) else settings


def _note(title: str, coded: Coded, settings: Section) -> list[str]:
    """Return a note if a metric that fits a model has fewer rows than it asks for."""
    if not isinstance(settings, FittedConfig):
        return []
    counts = row_counts(len(coded), settings, is_grid=coded.is_grid)
    if counts == list(settings.counts.values()):
        return []
    return [f"{title} on {' + '.join(f'{count:,}' for count in counts)} rows, fewer than usual: there are no more."]


def as_table(found: dict[str, Any]) -> Table:
    """Lay out the scores as a rich table, one row per score, with each metric's main score first."""
    table = Table(title=f"{found['rows']:,} codes of {found['latents']} latents", title_justify="left")
    table.caption = "* with the definition and the settings of disentanglement_lib 1.5"
    for header in ("Metric", "Score", "Range", "Better", "Source"):
        table.add_column(header, justify="right" if header == "Score" else "left")
    for name, scores in found["scores"].items():
        metric = METRICS[name]
        low, high = metric.range
        span = f"{low:g} to {'∞' if high is None else f'{high:g}'}"
        better = "higher" if metric.higher_is_better else "lower"
        title = metric.title + (" *" if metric.in_library else "")
        table.add_row(title, f"[bold]{scores[metric.score]:.4f}", span, better, metric.source)
        for other, value in scores.items():
            if other != metric.score:
                table.add_row(f"  [dim]{other}", f"[dim]{value:.4f}", "", "", "")
    for name, reason in found["refused"].items():
        table.add_row(METRICS[name].title, "–", "", "", in_terminal(reason))
    return table


def draw_matrices(path: Path, coded: Coded, *, seed: int = 0) -> None:
    """Plot two matrices of latents against factors: normalised mutual information, and importance to (few) boosted trees.

    Args:
        path: Path of the PNG.
        coded: Codes and factors.
        seed: Seed of the draws.

    Raises:
        UserError: If there are too few rows, latents or factors for the trees.

    """
    from matplotlib.figure import Figure

    coded.require("the picture", latents=2, factors=2)
    settings = METRICS["dci"].fast
    assert isinstance(settings, DCIConfig)
    train, test = coded.sample(settings, np.random.default_rng(seed))
    matrices = {
        "mutual information / entropy": information_shares(*train, MetricsConfig().mig.num_bins),
        f"importance ({settings.trees} trees a value)": importances(train, test, trees=settings.trees, seed=seed)[0],
    }
    latents, factors = coded.latents, coded.num_factors
    figure = Figure(figsize=(2 * (1.1 + 0.42 * latents), 1.3 + 0.42 * factors), dpi=140, layout="constrained")
    for axes, (title, matrix) in zip(figure.subplots(1, 2), matrices.items(), strict=True):
        axes.imshow(matrix.T, vmin=0, vmax=1, cmap="Blues")
        axes.set(title=title, xlabel="latent", ylabel="factor", xticks=range(latents), yticks=range(factors))
        axes.title.set_fontsize(8)
        for latent, factor in np.ndindex(matrix.shape):
            value = matrix[latent, factor]
            colour = "white" if value > 0.6 else "black"
            axes.text(latent, factor, f"{value:.2f}", ha="center", va="center", fontsize=6, color=colour)
    with atomic_write(path) as part:
        figure.savefig(part, format="png", metadata={"Software": None})


def codes_on(path: Path, grid: FactorGrid) -> Coded:
    """Read the codes in a file, reordered to the grid's order if they cover all its images.

    Args:
        path: An `.npz` with `codes` (n, latents) and `factors` (n, factors), which are class numbers.
        grid: Factor grid of the benchmark.

    Raises:
        UserError: If the file cannot be read, or its factors do not match the benchmark's.

    """
    coded = read_codes(path)
    largest = tuple(coded.factors.max(axis=0) + 1)
    if coded.num_factors != grid.num_factors or any(a > b for a, b in zip(largest, grid.sizes, strict=True)):
        raise UserError(
            f"{path}: factors must be the benchmark's, {', '.join(grid.names)} with {grid.sizes} values; got columns with "
            f"{tuple(int(size) for size in largest)} values."
        )
    if coded.is_grid and len(coded) == len(grid):
        return Coded(*coded[np.argsort(grid.indices_of(coded.factors))])
    # A part of the grid may happen to be a complete smaller grid. It still counts as a sample.
    coded.is_grid = False
    return coded
