"""Codes of images and their factors, checked once; which of their rows a metric reads.

A whole grid of factors is drawn from with replacement, as disentanglement_lib draws images. A metric that fits something is
fooled by that where the grid is small: on 4,096 images nearly every row that tests was fitted to, and trees read factors off
pure noise. So where such a metric asks for more than a tenth of a grid, it draws every row at most once. A sample is read
whole by a metric of one sample, and split at random, every row once, by a metric that fits something. Where there are fewer
rows than a metric asks for, all are split in the same proportion.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Num

from perturb.config.metrics import FittedConfig, SampleConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.errors import UserError
from perturb.reading import reason_of

LARGEST_CLASS = 2**53
"""Numbers up to here are told apart by metrics that compute with class numbers as floats."""

SMALL = 10
"""A grid is small for a metric that fits something and asks for more than one in so many of its rows."""
FEWEST = 2
"""Rows of a sample, at least."""


class Coded:
    """Rows of codes and factors: those of a whole grid of factors, or a sample.

    Args:
        codes: finite numbers (n, latents), any number of latents, an array or a tensor; float32 and float64 are kept.
        factors: class numbers (n, factors), integers, each column with at least two values; as `codes`.

    Raises:
        UserError: an array breaks one of these rules; says which, and what was given.

    """

    def __init__(self, codes: object, factors: object) -> None:
        numbers, classes = as_array(codes, "codes"), as_array(factors, "factors")
        _check(numbers, classes)
        is_kept = numbers.dtype in (np.dtype(np.float32), np.dtype(np.float64))
        self.codes = numbers if is_kept else numbers.astype(np.float64)
        self.factors = classes.astype(np.int64)
        self.is_grid = _is_grid(self.factors)
        self._groups: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def latents(self) -> int:
        """Number of latents."""
        return self.codes.shape[1]

    @property
    def num_factors(self) -> int:
        """Number of factors."""
        return self.factors.shape[1]

    def require(self, metric: str, *, latents: int = 1, factors: int = 1) -> None:
        """Refuse to be scored by a metric that compares more latents or factors than there are, with a UserError."""
        for name, wanted, given in (("latents", latents, self.latents), ("factors", factors, self.num_factors)):
            if given < wanted:
                raise UserError(f"{metric} compares {name} and needs at least {wanted}, got {given}.")

    def sample(self, settings: SampleConfig, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the rows that a metric with these settings reads, a pair (codes, factors) for each of its samples.

        Raises:
            UserError: there are too few rows, or a factor has one value among those that are drawn.

        """
        rows = drawn(len(self), settings, rng, is_grid=self.is_grid)
        parts = [self[self.positions_of(numbers)] for numbers in rows]
        for _, factors in parts:
            if constant := np.flatnonzero(np.ptp(factors, axis=0) == 0).tolist():
                raise UserError(
                    f"in the {len(factors):,} rows drawn, the factors {constant} take only one value; give more rows, or "
                    "draw more of them (num_train, num_test)."
                )
        return parts

    def positions_of(self, rows: np.ndarray) -> np.ndarray:
        """Return where the codes and factors of rows that were drawn are: here, at their number."""
        return rows

    def __getitem__(self, rows: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        return self.codes[rows], self.factors[rows]

    def sample_sharing_factor(self, rows: np.ndarray, factor: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `count` rows for each of some rows (m,), among those with the same value of a factor: int64 (m, count)."""
        numbers, order, starts, sizes = self._grouped(factor)
        values = numbers[rows]
        within = rng.integers(sizes[values][:, None], size=(len(rows), count))
        return order[starts[values][:, None] + within]

    def _grouped(self, factor: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Each row's value, numbered among those that occur; rows sorted by it; where each value's start, how many."""
        if factor not in self._groups:
            _, numbers, sizes = np.unique(self.factors[:, factor], return_inverse=True, return_counts=True)
            order = np.argsort(numbers, kind="stable")
            self._groups[factor] = numbers, order, np.cumsum(sizes) - sizes, sizes
        return self._groups[factor]


class NotEncoded(IndexError):
    """A metric draws an image whose code is not there."""


class PartlyCoded(Coded):
    """Some images of a grid, scored as the whole grid is: metrics draw from all of it, so `len` counts all of it.

    A metric that draws an image without a code is `NotEncoded`; `rows_to_encode` says which are drawn.

    Args:
        codes: of the encoded images, as in `Coded`.
        grid: of all images.
        encoded: numbers of the encoded images, ascending, int64 (n,).

    Raises:
        UserError: as `Coded`.

    """

    def __init__(self, codes: object, grid: FactorGrid, encoded: np.ndarray) -> None:
        super().__init__(codes, grid.factors_of(encoded))
        self.is_grid = True
        self._grid, self._encoded = grid, encoded

    def __len__(self) -> int:
        return len(self._grid)

    def sample_sharing_factor(self, rows: np.ndarray, factor: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw as `Coded` does, from the whole grid."""
        return self._grid.sample_sharing_factor(rows, factor, count, rng)

    def positions_of(self, rows: np.ndarray) -> np.ndarray:
        """Return where the codes and factors of images of the grid are."""
        found = np.searchsorted(self._encoded, rows)
        if not np.array_equal(self._encoded.take(found, mode="clip"), rows):
            raise NotEncoded("a metric draws images that were not encoded; encode what rows_to_encode says.")
        return found


def drawn(length: int, settings: SampleConfig, rng: np.random.Generator, *, is_grid: bool) -> list[np.ndarray]:
    """Numbers of the rows that a metric reads, int64 (count,) for each of its samples; codes have no part in it.

    Args:
        length: number of rows.
        settings: of the metric.
        rng: the metric's own generator.
        is_grid: True if the rows are a whole grid of factors.

    Raises:
        UserError: there are too few rows.

    """
    counts = row_counts(length, settings, is_grid=is_grid)
    if _with_replacement(length, settings, is_grid=is_grid):
        return [rng.integers(length, size=count) for count in counts]
    mixed = isinstance(settings, FittedConfig) and settings.protocol == "held_out"
    order = rng.permutation(length) if mixed else np.arange(length)
    return [order[end - count : end] for count, end in zip(counts, np.cumsum(counts), strict=True)]


def row_counts(length: int, settings: SampleConfig, *, is_grid: bool) -> list[int]:
    """Return how many rows each sample of a metric has; arguments and errors as `drawn`."""
    asked = list(settings.counts.values())
    if _with_replacement(length, settings, is_grid=is_grid):
        return asked
    if not isinstance(settings, FittedConfig):
        return [length]
    if sum(asked) <= length:
        return asked
    if settings.protocol == "library":
        raise UserError(
            f"the metric's settings ask for {' + '.join(f'{count:,}' for count in asked)} rows, and the codes have "
            f"{length:,}, which are not a whole grid of factors; give more rows, lower num_train and num_test, or leave the "
            "library's protocol."
        )
    split = [length * count // sum(asked) for count in asked]
    if min(split) < FEWEST:
        raise UserError(
            f"it needs more than {length:,} rows, because it fits a model to some of them and tests it on the rest."
        )
    return split


def _with_replacement(length: int, settings: SampleConfig, *, is_grid: bool) -> bool:
    if isinstance(settings, FittedConfig) and settings.protocol == "held_out":
        return is_grid and length >= SMALL * sum(settings.counts.values())
    return is_grid


def as_array(values: object, name: str) -> np.ndarray:
    """Numbers of any framework as an array; torch's types that NumPy lacks, as bfloat16, become float32.

    Args:
        values: an array, nested sequences, or a tensor on any device, with or without gradients.
        name: of them, for the message.

    Raises:
        UserError: they are no array.

    """
    try:
        if hasattr(values, "detach"):  # a tensor of torch, which need not be imported for this
            tensor: Any = values
            tensor = tensor.detach().cpu()
            values = tensor.float() if tensor.dtype.is_floating_point and tensor.dtype.itemsize < 4 else tensor
        return np.asarray(values)
    except Exception as error:  # frameworks raise all sorts
        raise UserError(f"{name} must be an array of numbers, got {type(values).__name__} ({reason_of(error)}).") from error


def nonconstant(codes: Num[np.ndarray, "n latents"]) -> Bool[np.ndarray, " latents"]:
    """Return which latents vary, bool (latents,). The range decides: a constant's variance may be a rounding error."""
    return np.ptp(codes, axis=0) > 0


def standardised(codes: Num[np.ndarray, "n latents"]) -> Float[np.ndarray, "n latents"]:
    """Latents with mean 0 and standard deviation 1; constant ones are 0."""
    return (codes - codes.mean(axis=0)) / np.where(nonconstant(codes), codes.std(axis=0), 1.0)


def gap_to_runner_up(matrix: Num[np.ndarray, "rows columns"]) -> Num[np.ndarray, " columns"]:
    """Largest minus second largest of each column, of two rows or more."""
    best, second = np.sort(matrix, axis=0)[::-1][:2]
    return best - second


def _check(codes: np.ndarray, factors: np.ndarray) -> None:
    if codes.ndim != 2 or 0 in codes.shape or codes.dtype.kind not in "fiu":
        raise UserError(f"codes must be numbers (n, latents), got {codes.dtype} of shape {codes.shape}.")
    if factors.ndim != 2 or len(factors) != len(codes) or factors.shape[1] == 0:
        raise UserError(f"factors must be (n, factors) with n = {len(codes):,} as the codes, got shape {factors.shape}.")
    if factors.dtype.kind not in "iu":
        raise UserError(f"factors must be class numbers as integers, got {factors.dtype}; number each factor's values.")
    if not np.isfinite(codes).all():
        bad = np.flatnonzero(~np.isfinite(codes).all(axis=1))
        raise UserError(f"codes must be finite; {len(bad):,} of {len(codes):,} rows are not, the first is row {bad[0]}.")
    if factors.max() > LARGEST_CLASS:
        raise UserError(f"factors must be class numbers up to {LARGEST_CLASS:,}, got {factors.max():,}.")
    if factors.min() < 0:
        raise UserError(f"factors must be class numbers from 0, got {factors.min()}.")
    constant = np.flatnonzero(factors.min(axis=0) == factors.max(axis=0)).tolist()
    if constant:
        raise UserError(f"every factor must take at least 2 values; drop the columns {constant}, which take one.")


def _is_grid(factors: np.ndarray) -> bool:
    """Return whether every combination of the factors' values is there once."""
    sizes = factors.max(axis=0) + 1
    if np.prod(sizes.astype(float)) != len(factors):
        return False
    numbers = np.ravel_multi_index(tuple(factors.T), tuple(sizes))
    return bool((np.bincount(numbers, minlength=len(factors)) == 1).all())
