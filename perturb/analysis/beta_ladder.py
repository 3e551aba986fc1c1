"""A rule for β: raise it until the first unit is pruned (thesis 3.3.6).

The thesis says: "Keep increasing β until the mean" of a unit's posterior variance, E[σ²], "collapses to approximately 1 for
at least one latent coordinate". At that point a model enters the polarized regime, and the best β is likely of that order of
magnitude. Far below it, the KL term hardly rotates the axes. Far above it, fewer units are left than there are factors.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log10, sqrt


@dataclass(frozen=True)
class Bracket:
    """The largest β tried at which no unit is pruned, and the smallest β tried above it at which one is."""

    low: float | None
    """Lower end of the bracket; None if a unit was pruned at every β tried."""
    high: float | None
    """Upper end of the bracket; None if no unit was pruned at any β tried."""


def bracketed(pruned: Callable[[float], bool], start: float, *, step: float, most: int, halvings: int) -> Bracket:
    """Climb a geometric ladder until a unit is pruned, then bisect the last step on the logarithmic scale.

    Args:
        pruned: Function that trains at a given β and returns whether a unit is pruned.
        start: The first β, above 0. If a unit is already pruned there, the ladder is descended until none is.
        step: Ratio of neighbouring rungs, above 1.
        most: Maximum number of rungs.
        halvings: Number of bisections of the step between the last β without a pruned unit and the first with one.

    Returns:
        A bracket whose ends have the ratio `step` ** (1 / 2 ** `halvings`). If one end was not found within `most` rungs,
        it is None and the other end is the last β tried.

    """
    pruned_at_start = pruned(start)
    last, factor = start, 1 / step if pruned_at_start else step
    for _ in range(most - 1):
        beta = last * factor
        if pruned(beta) != pruned_at_start:
            low, high = sorted((last, beta))
            return _halved(pruned, low, high, halvings)
        last = beta
    return Bracket(None, last) if pruned_at_start else Bracket(last, None)


def _halved(pruned: Callable[[float], bool], low: float, high: float, halvings: int) -> Bracket:
    for _ in range(halvings):
        middle = sqrt(low * high)
        low, high = (low, middle) if pruned(middle) else (middle, high)
    return Bracket(low, high)


def rungs(last: float, *, step: float, count: int) -> Iterator[float]:
    """Yield `count` more rungs of a ladder, above its last rung (step > 1) or below it (step < 1)."""
    return (last * step**number for number in range(1, count + 1))


def same_order(one: float, other: float) -> bool:
    """Return whether two values differ by at most half an order of magnitude, a factor of √10."""
    return abs(log10(one / other)) <= 0.5
