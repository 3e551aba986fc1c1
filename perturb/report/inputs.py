"""Names of the runs that a report reads: an experiment's plan assigns them, and the report finds its runs by them."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from perturb.variants import VariantPattern

IMAGES, SELECTION = "images", "selection"
OfPattern = Literal["pattern", "file", "pixels", "variances", "prediction"]
"""Kinds of runs that exist once per pattern of a variant."""


def restart(index: int) -> str:
    """Name the scores of a restart."""
    return f"restart/{index}"


def trained(index: int) -> str:
    """Name the training of a restart."""
    return f"trained/{index}"


def of_pattern(kind: OfPattern, column: VariantPattern) -> str:
    """Name a run that exists once per pattern."""
    return f"{kind}/{column.name}"


def scores(method: str, variant: str, seed: int) -> str:
    """Name the scores of a method on a variant."""
    return f"scores/{method}/{variant}/{seed}"


def codes(method: str, variant: str, seed: int) -> str:
    """Name the measurement of how a method's codes on a variant hold the factors."""
    return f"codes/{method}/{variant}/{seed}"


def training(method: str, variant: str, seed: int) -> str:
    """Name the training of a method on a variant."""
    return f"training/{method}/{variant}/{seed}"


def readout(variant: str, seed: int) -> str:
    """Name the run of a supervised network on a variant."""
    return f"readout/{variant}/{seed}"


class Searched(NamedTuple):
    """One run of the line search: method, factor on the primary hyper-parameter, variant and seed."""

    method: str
    factor: float
    variant: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its scores, with every digit of the factor."""
        return f"search/{self.method}/{self.factor!r}/{self.variant}/{self.seed}"


def searched_among(names: Iterable[str]) -> Iterator[Searched]:
    """Yield the inputs that are runs of the line search."""
    for name in names:
        kind, _, path = name.partition("/")
        if kind == "search":
            method, factor, variant, seed = path.rsplit("/", 3)
            yield Searched(method, float(factor), variant, int(seed))
