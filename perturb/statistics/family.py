"""The comparisons of a report, except the primary contrasts, as one family with a common error rate."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from perturb.statistics.intervals import holm
from perturb.statistics.scores import BASELINE, Comparison, Row

Found = TypeVar("Found", Row, Comparison)
Identity = tuple[frozenset[str], str, frozenset[str]]


class Family:
    """All comparisons of a report except its primary contrasts, each once, with p-values adjusted by Holm's method.

    The family-wise error rate, the probability of any false positive in the whole family, is therefore at most 5 %.
    """

    def __init__(self, found: Iterable[Row | Comparison], *, primary: Sequence[Comparison]) -> None:
        """Collect the comparisons of a report, except those without a p-value and the primary contrasts."""
        alone = {identity(contrast) for contrast in primary}
        values = {identity(one): one.p for one in found if one.p is not None and identity(one) not in alone}
        self._adjusted = dict(zip(values, holm(list(values.values())), strict=True))

    def __len__(self) -> int:
        """Return the number of comparisons."""
        return len(self._adjusted)

    def judged(self, found: Iterable[Found]) -> list[Found]:
        """Return copies of rows or comparisons, with `p_holm` set for those that belong to the family."""
        return [replace(one, p_holm=self._adjusted.get(identity(one))) for one in found]


def identity(found: Row | Comparison) -> Identity:
    """Return methods, metric and variants: equal for a table cell, the sentence about it, and the reversed comparison."""
    if isinstance(found, Row):
        return frozenset([found.method]), found.metric, frozenset([found.variant, BASELINE])
    return frozenset(found.methods), found.metric, frozenset([found.first, found.second])
