"""The line search over the primary hyper-parameter (thesis 4.3.4): does a tuned model recover its score?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perturb.metrics import METRICS
from perturb.report.table import Cell, PrintedTable
from perturb.report.tables import spread
from perturb.statistics.scores import Score


@dataclass(frozen=True)
class SearchPoint:
    """One run of the search."""

    factor: float
    """Factor by which the method's primary hyper-parameter is multiplied: 0.75 to 2.0 in the thesis."""
    score: Score

    @property
    def over_pruned(self) -> bool:
        """True if it has a score that the thesis discards: fewer active units than factors."""
        return self.score.values is not None and self.score.over_pruned


def kept(points: Sequence[SearchPoint], metric: str) -> list[float]:
    """Scores of the runs that neither failed nor over-pruned."""
    return [p.score.values[metric] for p in points if p.score.values is not None and not p.over_pruned]


def chosen(points: Sequence[SearchPoint], **wanted: str | float) -> list[SearchPoint]:
    """Points of a `method`, a `variant`, a `factor`."""
    return [p for p in points if all(getattr(p if k == "factor" else p.score, k) == v for k, v in wanted.items())]


def search_table(points: Sequence[SearchPoint], metric: str) -> PrintedTable:
    """Method and variant down, factors across: mean ± deviation of the runs kept, and what was not kept."""
    factors = sorted({point.factor for point in points})
    lines = []
    for method in dict.fromkeys(point.score.method for point in points):
        for variant in dict.fromkeys(p.score.variant for p in points if p.score.method == method):
            cells = [_cell(chosen(points, method=method, variant=variant, factor=factor), metric) for factor in factors]
            lines.append((f"{method}, {variant}", tuple(cells)))
    return PrintedTable(
        title=f"{METRICS[metric].title} by the factor on the primary hyper-parameter",
        corner="Method, variant",
        columns=tuple(f"×{factor:g}" for factor in factors),
        lines=tuple(lines),
        note="Over-pruned runs are counted and, as in the thesis, not in the means.",
    )


def _cell(points: Sequence[SearchPoint], metric: str) -> Cell:
    if not points:
        return Cell("–")
    values, pruned = kept(points, metric), sum(point.over_pruned for point in points)
    failed = sum(point.score.values is None for point in points)
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    details = [f"{pruned} over-pruned"] if pruned else []
    details += [f"{failed} failed"] if failed else []
    return Cell(spread(float(np.mean(values)), deviation) if values else "none kept", tuple(details))
