"""Table, sentence and figure of the variants' images measured along the axes of a model's codes of the originals."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perturb.entries.entry import AxesOfRun, Entry, rows_of
from perturb.metrics import METRICS
from perturb.report import style
from perturb.report.table import TextTable, plain_table
from perturb.report.tables import spread
from perturb.report.turning import draw_changes, draw_savings
from perturb.report.words import listed, signed, where
from perturb.statistics.scores import BASELINE

NOTE = (
    "Saving: nats per unit of β that a VAE with these codes of the original images would save on each variant's images by "
    "turning its axes; within the directions in which the original images vary, and for the whole image. Turned by: the "
    "largest angle between an axis and the best one; it means little near a saving of 0. All of this is computed from the "
    "pixels and the codes of the originals. It does not say that this model turns its axes in training, nor why a score "
    "changed."
)


def axes_of(entry: Entry) -> dict[str, list[AxesOfRun]]:
    """Return the measurements by variant, one per seed; variants without any are left out."""
    found: dict[str, list[AxesOfRun]] = {}
    for run in entry.runs:
        if run.axes is not None:
            found.setdefault(run.variant, []).append(run.axes)
    return found


def axes_table(entry: Entry) -> TextTable | None:
    """Return a table with a line for each variant: what rotating would save, and the angle; None if nothing was measured."""
    found = axes_of(entry)
    if not found:
        return None
    lines = [
        [
            variant,
            _mean([one.saving for one in looks]),
            _mean([one.saving_whole for one in looks]),
            f"{np.mean([one.angle for one in looks]):.0f}°",
            str(len(looks)),
        ]
        for variant, looks in found.items()
    ]
    header = ["Images", "saving", "saving, whole image", "turned by", "models"]
    return plain_table(f"Other axes for {entry.model}", header, lines, note=NOTE)


def axes_sentence(entry: Entry) -> str | None:
    """Return one sentence on what other axes would save on each variant's images, and the change against the originals.

    Return None if nothing was measured on the originals.
    """
    means = {variant: float(np.mean([one.saving for one in looks])) for variant, looks in axes_of(entry).items()}
    if BASELINE not in means:
        return None
    own = means.pop(BASELINE)
    parts = [f"{mean:.2f} ({signed(mean - own)}) {where(variant)}" for variant, mean in means.items()]
    return (
        f"Other axes than those of {entry.model} would be "
        f"{listed([f'{own:.2f} nats per unit of β cheaper for a VAE {where(BASELINE)}', *parts])}."
    )


def draw_axes(path: Path, entry: Entry) -> None:
    """Draw, for each variant, what rotating would save next to the change of the first metric; nothing if not measured."""
    found = axes_of(entry)
    if not found:
        path.unlink(missing_ok=True)  # an earlier evaluation may have left one in this folder
        return
    metric = entry.metrics[0].name
    changes = {row.variant: row for row in rows_of(entry) if row.metric == metric and row.variant != BASELINE}
    variants = list(dict.fromkeys(run.variant for run in entry.runs))
    figure = style.new_figure(1.3 + 0.34 * len(variants))
    left, right = figure.subplots(1, 2, sharey=True)
    draw_savings(left, {variant: [one.saving for one in found.get(variant, [])] for variant in variants})
    draw_changes(right, variants, [changes], title=METRICS[metric].title)
    left.set_title("Saved by turning the axes", fontsize=style.NORMAL, loc="left")
    right.set_title("Change of the score", fontsize=style.NORMAL, loc="left")
    style.save(figure, path)


def _mean(values: Sequence[float]) -> str:
    """Return the mean ± standard deviation over models, as text."""
    return spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)
