"""The comparisons of a report as a family that shares one error rate, apart from the primary contrasts."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from perturb.statistics.intervals import holm
from perturb.statistics.scores import BASELINE, Comparison, Row

Found = TypeVar("Found", Row, Comparison)
Identity = tuple[frozenset[str], str, frozenset[str]]


class Family:
    """All comparisons of a report but its primary contrasts, each once; their p-values are adjusted by Holm's method.

    So the chance to call any difference real in the whole family where there is none is at most 5 %.
    """

    def __init__(self, found: Iterable[Row | Comparison], *, primary: Sequence[Comparison]) -> None:
        """Take what a report compares; what has no p-value, or is one of the primary contrasts, is left out."""
        alone = {identity(contrast) for contrast in primary}
        values = {identity(one): one.p for one in found if one.p is not None and identity(one) not in alone}
        self._adjusted = dict(zip(values, holm(list(values.values())), strict=True))

    def __len__(self) -> int:
        """Number of comparisons."""
        return len(self._adjusted)

    def judged(self, found: Iterable[Found]) -> list[Found]:
        """Copies of rows or comparisons, with `p_holm` where they belong to the family."""
        return [replace(one, p_holm=self._adjusted.get(identity(one))) for one in found]


def identity(found: Row | Comparison) -> Identity:
    """Methods, metric and variants: the same for a table's cell, for the sentence about it, and turned round."""
    if isinstance(found, Row):
        return frozenset([found.method]), found.metric, frozenset([found.variant, BASELINE])
    return frozenset(found.methods), found.metric, frozenset([found.first, found.second])
