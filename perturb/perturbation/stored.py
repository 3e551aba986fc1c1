"""Statistics of a pattern as stored, after reflection and rounding, relative to the images' own variance.

The reflection removes part of a pattern. On black and white images, hardly more than |δ| is left: black can only get lighter
and white only darker. For such images the change is measured inwards, from black up and from white down, because its stored
sign comes from the image and not from the pattern.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from perturb.datasets.ground_truth import FactorGrid
from perturb.perturbation.bounds import apply_pattern, largest_step

WHOLE = 4_096
"""Largest grid, in images, that is measured completely."""
SAMPLE, STEPS = 2_048, 384
"""Sample sizes for larger grids: images, and how many of them have their next neighbour measured too, per factor."""
BATCH = 256
MIDDLE = 127.5


@runtime_checkable
class Images(Protocol):
    """A ground truth or its pixels."""

    def images(self, numbers: np.ndarray, /) -> np.ndarray:
        """Return images by index, uint8 (n, height, width, channels)."""
        ...


@dataclass(frozen=True, kw_only=True)
class PatternStatistics:
    """Statistics of a pattern's stored change Δ = (x′ − x) / ε, measured inwards on black and white images."""

    variance: float
    """Variance of Δ over images, averaged over pixels, in [0, 1]."""
    mean_square: float
    """Mean square of Δ, in [0, 1]; it is 1 if every pixel moves by ε."""
    local: float
    """Σ over factors k of E‖Δ(w + e_k) − Δ(w)‖², averaged over pixels: one step of each factor, over all w that have a next
    value."""
    share: float
    """Variance of x′ − x summed over pixels, as a share of the images' own, which is V(x) in perturb.analysis.variances."""
    drawn_variation: float
    """Share of the mean square of δ, before reflection and rounding, that varies over the data, in [0, 1]."""

    @property
    def variation(self) -> float:
        """Share of the mean square that varies over the data, in [0, 1]; near 0 the pattern has collapsed.

        It is the smaller of the shares for Δ and for δ. On black and white images, the reflection can make a pattern with
        both signs constant. It can also make a constant pattern vary, with the images that are reflected.
        """
        stored = self.variance / self.mean_square if self.mean_square > 0 else 0.0
        return min(stored, self.drawn_variation)

    @property
    def roughness(self) -> float:
        """Local variance divided by variance, at least 0: how much of the pattern changes in one step of every factor."""
        return self.local / self.variance if self.variance > 0 else 0.0

    def as_json(self) -> dict[str, float]:
        """Return the statistics in the form in which the manifest stores them."""
        return asdict(self) | {"variation": self.variation, "roughness": self.roughness}


class Probe:
    """Some images of a dataset with their neighbours, on which patterns are measured.

    Args:
        images: The original images.
        grid: Factor grid of the images.
        epsilon: Scale of the pattern, for pixels in [0, 1].
        bound: "reflect" or "clip".
        sample: Number of images, drawn with a fixed seed. None: all images of a small grid, `SAMPLE` of a large one.
        steps: Maximum number of these images whose neighbours are measured, per factor. None: all, or `STEPS`.
        values: Number of an image's values to measure, drawn likewise. None: all.

    """

    def __init__(
        self,
        images: Images,
        grid: FactorGrid,
        *,
        epsilon: float,
        bound: str,
        sample: int | None = None,
        steps: int | None = None,
        values: int | None = None,
    ) -> None:
        self.epsilon, self.bound = epsilon, bound
        rng, small = np.random.default_rng(0), grid.num_images <= WHOLE
        sample = sample or (grid.num_images if small else SAMPLE)
        drawn = np.arange(grid.num_images) if sample >= grid.num_images else _drawn(grid.num_images, sample, rng)
        self.numbers, self.steps = _with_neighbours(grid, drawn, steps or (sample if small else STEPS))
        self.sample = len(drawn)
        originals = images.images(self.numbers).reshape(len(self.numbers), -1)
        size = originals.shape[1]
        self.places = np.arange(size) if values is None or values >= size else np.sort(_drawn(size, values, rng))
        self.originals = originals if len(self.places) == size else np.ascontiguousarray(originals[:, self.places])
        self.binary = bool(np.isin(self.originals, (0, 255)).all())
        """True if all images are black and white."""

    @property
    def reach(self) -> int:
        """Maximum change of a pixel, in grey levels."""
        return largest_step(self.epsilon)

    @cached_property
    def total(self) -> float:
        """Variance of the images, summed over the measured values, for pixels in [0, 1]."""
        return _moments(self.originals[: self.sample])[0].sum() / 255**2

    def statistics(self, pattern: Callable[[slice], Tensor]) -> PatternStatistics:
        """Measure a pattern as it is stored.

        Args:
            pattern: Function from rows of `numbers` to δ, float32 (rows, values) in [-1, 1], for the values in `places`.

        """
        drawn = _Moments(len(self.places))
        changes = np.empty(self.originals.shape, np.int16)
        for rows in self._batches():
            deltas = pattern(rows)
            drawn.add(deltas[: max(self.sample - rows.start, 0)].numpy())
            changes[rows] = self._change(rows, deltas)
        inwards = self._inwards(changes, slice(None))
        unit = (255 * self.epsilon) ** 2
        variance, mean_square = (moment.mean() / unit for moment in _moments(inwards[: self.sample]))
        moved = _moments(changes[: self.sample])[0].sum() if self.binary else variance * unit * len(self.places)
        return PatternStatistics(
            variance=float(variance),
            mean_square=float(mean_square),
            local=float(sum(_mean_step(inwards, *rows) for rows in self.steps) / unit),
            share=float(moved / 255**2 / self.total) if self.total > 0 else 0.0,
            drawn_variation=drawn.variation,
        )

    def variance_of_two(self, low: int, high: int) -> float:
        """Return the variance of Δ over images and draws if each value moves by one of two grey levels at random."""
        rows = slice(0, self.sample)
        deltas = [torch.full(self.originals[rows].shape, level / (255 * self.epsilon)) for level in (low, high)]
        one, other = (self._inwards(self._change(rows, delta), rows).astype(np.float64) for delta in deltas)
        between = (one + other).var(axis=0).mean() / 4
        return float((np.square(one - other).mean() / 4 + between) / (255 * self.epsilon) ** 2)

    def _inwards(self, changes: np.ndarray, rows: slice) -> np.ndarray:
        """Return the changes of rows, with the sign flipped at white pixels if the images are black and white."""
        return np.where(self.originals[rows] > MIDDLE, -changes, changes) if self.binary else changes

    def _batches(self) -> Iterator[slice]:
        for start in range(0, len(self.numbers), BATCH):
            yield slice(start, min(start + BATCH, len(self.numbers)))

    def _change(self, rows: slice, pattern: Tensor) -> np.ndarray:
        """Return x′ − x in grey levels, int16 (rows, values)."""
        originals = self.originals[rows]
        moved = apply_pattern(originals, pattern.numpy(), epsilon=self.epsilon, bound=self.bound)
        return moved.astype(np.int16) - originals


def _drawn(total: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return `count` distinct integers below `total`, in random order."""
    return rng.choice(total, count, replace=False)


def _with_neighbours(
    grid: FactorGrid, drawn: np.ndarray, most: int
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Return image indices, the drawn ones first, and for each factor the rows of images and of those one step further."""
    classes = grid.factors_of(drawn)
    firsts = [np.flatnonzero(classes[:, k] < size - 1)[:most] for k, size in enumerate(grid.sizes)]
    seconds = [drawn[first] + math.prod(grid.sizes[k + 1 :]) for k, first in enumerate(firsts)]
    numbers = np.concatenate([drawn, np.setdiff1d(np.concatenate(seconds), drawn)])
    order = np.argsort(numbers)
    rows = [order[np.searchsorted(numbers, second, sorter=order)] for second in seconds]
    return numbers, [pair for pair in zip(firsts, rows, strict=True) if len(pair[0])]


class _Moments:
    """Accumulate every value's variance over images and mean square from batches (n, values), in float64."""

    def __init__(self, values: int) -> None:
        self._count, self._total, self._square = 0, np.zeros(values), np.zeros(values)

    def add(self, batch: np.ndarray) -> None:
        """Add a batch of images to the statistics."""
        self._count += len(batch)
        self._total += batch.sum(axis=0, dtype=np.float64)
        self._square += (batch**2).sum(axis=0, dtype=np.float64)

    def both(self) -> tuple[np.ndarray, np.ndarray]:
        """Return variance and mean square, float64 (values,) each."""
        square = self._square / self._count
        return np.maximum(square - (self._total / self._count) ** 2, 0), square

    @property
    def variation(self) -> float:
        """Share of the mean square that varies, over all values."""
        variance, square = (moment.sum() for moment in self.both())
        return float(variance / square) if square > 0 else 0.0


def _moments(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every value's variance over images and mean square, float64, for integers (n, values)."""
    moments = _Moments(levels.shape[1])
    for start in range(0, len(levels), BATCH):
        moments.add(levels[start : start + BATCH].astype(np.float32))
    return moments.both()


def _mean_step(levels: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean squared difference between rows of integers (n, values)."""
    batches = [slice(start, start + BATCH) for start in range(0, len(first), BATCH)]
    steps = (levels[second[batch]].astype(np.float32) - levels[first[batch]] for batch in batches)
    return sum(float((step**2).sum(dtype=np.float64)) for step in steps) / (len(first) * levels.shape[1])
