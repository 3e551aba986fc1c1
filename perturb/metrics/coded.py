"""Validated codes of images with their factors, and the rows that each metric reads.

From a complete factor grid, rows are drawn with replacement, as disentanglement_lib draws images. On a small grid this
misleads metrics that fit a model: with 4,096 images, nearly every test row was also a training row, and trees predict
factors from pure noise. So if such a metric asks for more than a tenth of a grid, it draws every row at most once. If the
codes are a sample, a metric that needs a single sample reads all rows, and a metric that fits a model splits them at random
without overlap. If there are fewer rows than the metric asks for, all of them are split in the same proportion.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Num

from perturb.config.metrics import FittedConfig, SampleConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.errors import UserError
from perturb.reading import reason_of

LARGEST_CLASS = 2**53
"""Largest class number that metrics can represent exactly when they convert class numbers to floats."""

SMALL = 10
"""A grid is small for a metric that fits a model and asks for more than one in this many of its rows."""
FEWEST = 2
"""Minimum number of rows in a sample."""


class Coded:
    """Rows of codes and factors: a complete factor grid, or a sample.

    Args:
        codes: Finite numbers (n, latents), with any number of latents, as an array or a tensor. float32 and float64 keep
            their type.
        factors: Integer class numbers (n, factors), as an array or a tensor. Each column has at least two values.

    Raises:
        UserError: If an array breaks one of these rules. The message says which rule, and what was given.

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
        """Raise a UserError if a metric compares more latents or factors than there are."""
        for name, wanted, given in (("latents", latents, self.latents), ("factors", factors, self.num_factors)):
            if given < wanted:
                raise UserError(f"{metric} compares {name} and needs at least {wanted}, got {given}.")

    def sample(self, settings: SampleConfig, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the rows that a metric with these settings reads, a pair (codes, factors) for each of its samples.

        Raises:
            UserError: If there are too few rows, or if a factor has only one value among the drawn rows.

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
        """Return the positions of the codes and factors of drawn rows; here these are the row indices themselves."""
        return rows

    def __getitem__(self, rows: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        return self.codes[rows], self.factors[rows]

    def sample_sharing_factor(self, rows: np.ndarray, factor: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `count` rows for each of the given rows (m,), with the same value of a factor, int64 (m, count)."""
        numbers, order, starts, sizes = self._grouped(factor)
        values = numbers[rows]
        within = rng.integers(sizes[values][:, None], size=(len(rows), count))
        return order[starts[values][:, None] + within]

    def _grouped(self, factor: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return each row's value index, the rows sorted by value, and the start and count of each value's rows."""
        if factor not in self._groups:
            _, numbers, sizes = np.unique(self.factors[:, factor], return_inverse=True, return_counts=True)
            order = np.argsort(numbers, kind="stable")
            self._groups[factor] = numbers, order, np.cumsum(sizes) - sizes, sizes
        return self._groups[factor]


class NotEncoded(IndexError):
    """Raised if a metric draws an image that has no code."""


class PartlyCoded(Coded):
    """Codes of some images of a grid, scored like the whole grid: metrics draw from all of it, and `len` is its full size.

    `NotEncoded` is raised if a metric draws an image without a code. `rows_to_encode` returns the images that are drawn.

    Args:
        codes: Codes of the encoded images, as in `Coded`.
        grid: Factor grid of all images.
        encoded: Indices of the encoded images, ascending, int64 (n,).

    Raises:
        UserError: As for `Coded`.

    """

    def __init__(self, codes: object, grid: FactorGrid, encoded: np.ndarray) -> None:
        super().__init__(codes, grid.factors_of(encoded))
        self.is_grid = True
        self._grid, self._encoded = grid, encoded

    def __len__(self) -> int:
        return len(self._grid)

    def sample_sharing_factor(self, rows: np.ndarray, factor: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw rows as `Coded` does, from the whole grid."""
        return self._grid.sample_sharing_factor(rows, factor, count, rng)

    def positions_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the positions of the codes and factors of images of the grid."""
        positions = np.searchsorted(self._encoded, rows)
        if not np.array_equal(self._encoded.take(positions, mode="clip"), rows):
            raise NotEncoded("a metric draws images that were not encoded; encode what rows_to_encode says.")
        return positions


def drawn(length: int, settings: SampleConfig, rng: np.random.Generator, *, is_grid: bool) -> list[np.ndarray]:
    """Return the indices of the rows that a metric reads, int64 (count,) for each of its samples, whatever the codes are.

    Args:
        length: Number of rows.
        settings: Settings of the metric.
        rng: The metric's own generator.
        is_grid: True if the rows are a complete factor grid.

    Raises:
        UserError: If there are too few rows.

    """
    counts = row_counts(length, settings, is_grid=is_grid)
    if _with_replacement(length, settings, is_grid=is_grid):
        return [rng.integers(length, size=count) for count in counts]
    mixed = isinstance(settings, FittedConfig) and settings.protocol == "held_out"
    order = rng.permutation(length) if mixed else np.arange(length)
    return [order[end - count : end] for count, end in zip(counts, np.cumsum(counts), strict=True)]


def row_counts(length: int, settings: SampleConfig, *, is_grid: bool) -> list[int]:
    """Return the number of rows in each sample of a metric; arguments and errors as for `drawn`."""
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
    """Convert numbers of any framework to an array; torch types that NumPy lacks, such as bfloat16, become float32.

    Args:
        values: An array, nested sequences, or a tensor on any device, with or without gradients.
        name: Their name in the error message.

    Raises:
        UserError: If they cannot be converted to an array.

    """
    try:
        if hasattr(values, "detach"):  # a torch tensor, recognised without importing torch
            tensor: Any = values
            tensor = tensor.detach().cpu()
            values = tensor.float() if tensor.dtype.is_floating_point and tensor.dtype.itemsize < 4 else tensor
        return np.asarray(values)
    except Exception as error:  # frameworks raise all sorts
        raise UserError(f"{name} must be an array of numbers, got {type(values).__name__} ({reason_of(error)}).") from error


def nonconstant(codes: Num[np.ndarray, "n latents"]) -> Bool[np.ndarray, " latents"]:
    """Return which latents vary, bool (latents,), judged by their range: a constant's variance may be a rounding error."""
    return np.ptp(codes, axis=0) > 0


def standardised(codes: Num[np.ndarray, "n latents"]) -> Float[np.ndarray, "n latents"]:
    """Return the codes with mean 0 and standard deviation 1 in each latent; constant latents become 0."""
    return (codes - codes.mean(axis=0)) / np.where(nonconstant(codes), codes.std(axis=0), 1.0)


def gap_to_runner_up(matrix: Num[np.ndarray, "rows columns"]) -> Num[np.ndarray, " columns"]:
    """Return the largest minus the second largest entry of each column, for a matrix with at least two rows."""
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
    """Return whether every combination of factor values occurs exactly once."""
    sizes = factors.max(axis=0) + 1
    if np.prod(sizes.astype(float)) != len(factors):
        return False
    numbers = np.ravel_multi_index(tuple(factors.T), tuple(sizes))
    return bool((np.bincount(numbers, minlength=len(factors)) == 1).all())
