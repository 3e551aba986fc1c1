"""How trainings went: the losses along the way, and what they ended with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from perturb.report.table import Cell, PrintedTable
from perturb.report.tables import spread

LAST = 0.2
"""Share of the steps, the last ones, over which a final loss is averaged: single batches scatter."""
NOT_A_LOSS = "step", "active_units"
RECONSTRUCTION, UNDRAWN = "reconstruction", "undrawn"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The losses of one training."""

    method: str
    variant: str
    columns: Mapping[str, np.ndarray]
    """`step`, `loss` and its parts, (points,) each: the values of single batches."""
    failed: bool
    """True if it has no scores: its losses are drawn, and not in the means."""
    floor: float = 0.0
    """The least that the reconstruction's cross-entropy can be on its images, which is their own entropy, in nats."""

    @property
    def parts(self) -> list[str]:
        """`loss`, then what else was noted; after the reconstruction, what of the images it leaves undrawn."""
        names = [name for name in self.columns if name not in NOT_A_LOSS]
        return [part for name in names for part in ([name, UNDRAWN] if name == RECONSTRUCTION else [name])]

    def final(self, part: str) -> float:
        """Mean of a part over the last fifth of the steps."""
        if part == UNDRAWN:
            return self.final(RECONSTRUCTION) - self.floor
        steps = self.columns["step"]
        return float(self.columns[part][steps > (1 - LAST) * steps[-1]].mean())


def final_losses(curves: Sequence[Curve]) -> PrintedTable:
    """Method and part of its loss down, variants across: mean ± standard deviation over the trainings that did not fail."""
    finished = [curve for curve in curves if not curve.failed]
    variants = tuple(dict.fromkeys(curve.variant for curve in curves))
    lines = []
    for method in dict.fromkeys(curve.method for curve in finished):
        of_method = [curve for curve in finished if curve.method == method]
        for part in of_method[0].parts:
            values = [[curve.final(part) for curve in of_method if curve.variant == variant] for variant in variants]
            lines.append((f"{method}, {part.replace('_', ' ')}", tuple(map(_cell, values))))
    return PrintedTable(
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
