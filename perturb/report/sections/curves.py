"""Training curves: the losses along the way, and what they ended with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perturb.datasets.saved_images import open_images
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
"""Share of the steps, the last ones, over which a final loss is averaged: single batches scatter."""
NOT_A_LOSS = "step", "active_units", "delta_kl"
RECONSTRUCTION, UNDRAWN = "reconstruction", "undrawn"
DRAWN = "loss", "discriminator"
"""Parts that get a panel where a method has them."""
ACROSS = 2
FIRST = 0.1
"""Share of the steps, the first ones, whose losses may lie outside a panel: they would flatten the rest."""
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
    alt = f"Lines of the loss over the steps, a panel a method, a colour a variant. {_ends(curves)}"
    yield Section(title="Training curves", figures=[Picture(path, caption, alt)], tables=tables, folded=True)


def _ends(curves: Sequence["Curve"]) -> str:
    """Final losses of each method, from the lowest training to the highest."""
    told = []
    for method in dict.fromkeys(curve.method for curve in curves):
        finals = [curve.final("loss") for curve in curves if curve.method == method and not curve.failed]
        told.append(f"{method} from {min(finals):.4g} to {max(finals):.4g}" if finals else f"{method} failed throughout")
    return f"They end at: {'; '.join(told)}."


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The losses of one training."""

    method: str
    variant: str
    columns: Mapping[str, np.ndarray]
    """`step`, `loss` and its parts, (points,) each: the values of single batches."""
    failed: bool
    """True if it has no scores: its losses are drawn, and not in the means."""
    floor: float | None = 0.0
    """The least that the reconstruction's cross-entropy can be on its images, which is their own entropy, in nats; None
    where the reconstruction is no cross-entropy."""

    @property
    def parts(self) -> list[str]:
        """`loss`, then what else was noted; after the reconstruction, what of the images it leaves undrawn."""
        names = [name for name in self.columns if name not in NOT_A_LOSS]
        followed = RECONSTRUCTION if self.floor is not None else None
        return [part for name in names for part in ([name, UNDRAWN] if name == followed else [name])]

    def final(self, part: str) -> float:
        """Mean of a part over the last fifth of the steps."""
        if part == UNDRAWN and self.floor is not None:
            return self.final(RECONSTRUCTION) - self.floor
        steps = self.columns["step"]
        return float(self.columns[part][steps > (1 - LAST) * steps[-1]].mean())


def final_losses(curves: Sequence[Curve]) -> TextTable:
    """Method and part of its loss down, variants across: mean ± standard deviation over the trainings that did not fail."""
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
        "Undrawn is the reconstruction's loss beyond the images' own entropy, the least that it can be.",
    )


def _cell(values: Sequence[float]) -> Cell:
    """Two digits of the deviation, the mean to the same place; of a single training, three digits."""
    if not values:
        return Cell("–")
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None
    places = _places(deviation, digits=2) if deviation else _places(mean, digits=3)
    return Cell(spread(mean, deviation, places=places))


def _places(value: float, *, digits: int) -> int:
    """Decimal places, none to three, that show so many digits of a value."""
    return int(np.clip(digits - 1 - np.floor(np.log10(max(abs(value), 1e-9))), 0, 3))


def draw_curves(path: Path, curves: Sequence[Curve]) -> None:
    """A panel for each method's loss, and for its discriminator's; a line for each variant.

    Lines are means over trainings, bands go from the lowest to the highest. A failed training is a dotted line of its own,
    up to where it ended.

    Args:
        path: of the PNG.
        curves: of all trainings; those without a point are left out.

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
    """Limits of the axis: from the lowest to the highest loss after the first steps, with a margin."""
    kept = np.concatenate([c.columns[part][c.columns["step"] > FIRST * c.columns["step"][-1]] for c in curves])
    low, high = np.quantile(kept[np.isfinite(kept)], [0, 1]) if np.isfinite(kept).any() else (0.0, 0.0)
    margin = MARGIN * (high - low) or 1.0
    return low - margin, high + margin


def _curves(findings: Findings) -> list[Curve]:
    """The losses of every evaluation run's training."""
    numbers, floors, config = sample_of(findings.grid), {}, findings.config
    with_entropy = {m.name for m in config.evaluation.methods if (m.training or config.training).likelihood is None}
    for column in {VariantPattern(score.variant, score.draw) for score in findings.scores}:
        pixels = open_images(findings.runs[inputs.of_pattern("pixels", column)])
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
