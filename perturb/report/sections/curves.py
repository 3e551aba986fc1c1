"""Training curves: the losses during training, and the final losses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perturb.datasets.saved_images import open_some
from perturb.escapes import in_figure
from perturb.manifests import run_file
from perturb.objectives.losses import bernoulli_floor
from perturb.perturbation.pattern import sample_of
from perturb.report import inputs, style
from perturb.report.findings import Findings
from perturb.report.section import Picture, Section
from perturb.report.table import Cell, TextTable
from perturb.report.tables import spread
from perturb.training.curve import CURVE, read_curve
from perturb.variants import VariantPattern

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LAST = 0.2
"""Final share of the steps over which a final loss is averaged, since single batches are noisy."""
NOT_A_LOSS = "step", "active_units", "delta_kl"
RECONSTRUCTION, UNDRAWN = "reconstruction", "undrawn"
DRAWN = "loss", "discriminator"
"""Parts that get their own panel if a method has them."""
ACROSS = 2
FIRST = 0.1
"""Initial share of the steps whose losses may lie outside a panel, because they would flatten the rest."""
MARGIN = 0.06


def sections(findings: Findings, out: Path, device: str) -> Iterator[Section]:
    """Yield the section that shows the training curves and the final losses."""
    path, curves = out / "curves.png", _curves(findings)
    draw_curves(path, curves)
    caption = (
        "Losses of single batches over the steps: means over trainings, bands from the lowest to the highest; failed "
        "trainings dotted. The first tenth may lie outside."
    )
    tables = [final_losses(curves)]
    alt = f"Lines of the loss over the steps, one panel per method, one colour per variant. {_ends(curves)}"
    yield Section(title="Training curves", figures=[Picture(path, caption, alt)], tables=tables, folded=True)


def _ends(curves: Sequence["Curve"]) -> str:
    """Word the range of each method's final losses over its trainings."""
    ranges = []
    for method in dict.fromkeys(curve.method for curve in curves):
        finals = [curve.final("loss") for curve in curves if curve.method == method and not curve.failed]
        ranges.append(f"{method} from {min(finals):.4g} to {max(finals):.4g}" if finals else f"{method} failed throughout")
    return f"They end at: {'; '.join(ranges)}."


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The losses of one training."""

    method: str
    variant: str
    columns: Mapping[str, np.ndarray]
    """`step`, `loss` and its parts, (points,) each, with the values of single batches."""
    failed: bool
    """True if it has no scores: its losses are drawn, but not included in means."""
    floor: float | None = 0.0
    """The minimum of the reconstruction's cross-entropy, which is the images' own entropy in nats; None if the
    reconstruction loss is not a cross-entropy."""

    @property
    def parts(self) -> list[str]:
        """`loss`, then the other logged parts; after the reconstruction loss, its excess over the minimum."""
        names = [name for name in self.columns if name not in NOT_A_LOSS]
        followed = RECONSTRUCTION if self.floor is not None else None
        return [part for name in names for part in ([name, UNDRAWN] if name == followed else [name])]

    def final(self, part: str) -> float:
        """Return the mean of a part over the last fifth of the steps."""
        if part == UNDRAWN and self.floor is not None:
            return self.final(RECONSTRUCTION) - self.floor
        steps = self.columns["step"]
        return float(self.columns[part][steps > (1 - LAST) * steps[-1]].mean())


def final_losses(curves: Sequence[Curve]) -> TextTable:
    """Build a table with methods and parts of the loss as rows and variants as columns.

    Cells are mean ± standard deviation over the trainings that did not fail.
    """
    finished = [curve for curve in curves if not curve.failed]
    variants = tuple(dict.fromkeys(curve.variant for curve in curves))
    lines = []
    for method in dict.fromkeys(curve.method for curve in finished):
        of_method = [curve for curve in finished if curve.method == method]
        for part in of_method[0].parts:
            values = [[curve.final(part) for curve in of_method if curve.variant == variant] for variant in variants]
            lines.append((f"{method}, {part.replace('_', ' ')}", tuple(map(_cell, values))))
    return TextTable(
        title="Final losses",
        corner="Method, part of the loss",
        columns=variants,
        lines=tuple(lines),
        note="Means over the last fifth of the steps. Likelihoods are sums over pixels, divergences over units, in nats. "
        "Undrawn is the reconstruction loss minus its minimum, the images' own entropy.",
    )


def _cell(values: Sequence[float]) -> Cell:
    """Format with two digits of the deviation, and the mean to the same place; three digits for a single training."""
    if not values:
        return Cell("–")
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None
    places = _places(deviation, digits=2) if deviation else _places(mean, digits=3)
    return Cell(spread(mean, deviation, places=places))


def _places(value: float, *, digits: int) -> int:
    """Return how many decimal places, 0 to 3, show the given number of digits of a value."""
    return int(np.clip(digits - 1 - np.floor(np.log10(max(abs(value), 1e-9))), 0, 3))


def draw_curves(path: Path, curves: Sequence[Curve]) -> None:
    """Plot one panel per method for its loss, and one for its discriminator's loss, with a line for each variant.

    Lines are means over trainings, and bands go from the lowest to the highest. Each failed training is a separate dotted
    line, up to where it ended.

    Args:
        path: Path of the PNG.
        curves: Curves of all trainings; those without a point are left out.

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
        panel.set_title(in_figure(method if part == "loss" else f"{method}, {part}"), fontsize=style.SMALL, loc="left")
        panel.set_xlim(left=0)
        style.plain(panel, grid="y")
        panel.tick_params(labelsize=style.SMALL - 1.5)
    for panel in axes[len(shown) :]:
        panel.set_axis_off()
    figure.supxlabel("steps", fontsize=style.SMALL)
    figure.supylabel("loss of a batch", fontsize=style.SMALL)
    style.legend_above(figure, style.variant_handles(variants, linewidth=2, marker=""))
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
    """Return the axis limits: from the lowest to the highest loss after the first steps, with a margin."""
    kept = np.concatenate([c.columns[part][c.columns["step"] > FIRST * c.columns["step"][-1]] for c in curves])
    low, high = np.quantile(kept[np.isfinite(kept)], [0, 1]) if np.isfinite(kept).any() else (0.0, 0.0)
    margin = MARGIN * (high - low) or 1.0
    return low - margin, high + margin


def _curves(findings: Findings) -> list[Curve]:
    """Read the losses of every evaluation run's training."""
    numbers, floors, config = sample_of(findings.grid), {}, findings.config
    with_entropy = {m.name for m in config.evaluation.methods if (m.training or config.training).likelihood is None}
    for column in {VariantPattern(score.variant, score.draw) for score in findings.scores}:
        pixels = open_some(findings.runs[inputs.of_pattern("pixels", column)])
        floors[column] = bernoulli_floor(pixels.images(numbers))
    return [
        Curve(
            method=score.method,
            variant=score.variant,
            columns=read_curve(run_file(findings.runs[inputs.training(score.method, score.variant, score.seed)], CURVE)),
            failed=score.failure is not None,
            floor=floors[VariantPattern(score.variant, score.draw)] if score.method in with_entropy else None,
        )
        for score in findings.scores
    ]
