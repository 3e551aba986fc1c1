"""Codes computed elsewhere, held against the grid of the benchmark that they are said to be of."""

from pathlib import Path

import numpy as np

from perturb.datasets import FactorGrid
from perturb.errors import UserError
from perturb.metrics import Coded
from perturb.metrics.codes_file import read_codes, shuffled


def codes_on(path: Path, grid: FactorGrid, *, seed: int) -> Coded:
    """Codes of a file, in the order of the grid where they are of all its images, else in a random one.

    Args:
        path: an `.npz` with `codes` (n, latents) and `factors` (n, factors), class numbers.
        grid: of the benchmark.
        seed: of the random order.

    Raises:
        UserError: the file cannot be read, or its factors are none of the benchmark's.

    """
    coded = read_codes(path)
    largest = tuple(coded.factors.max(axis=0) + 1)
    if coded.num_factors != grid.num_factors or any(a > b for a, b in zip(largest, grid.sizes, strict=True)):
        raise UserError(
            f"{path}: factors must be the benchmark's, {', '.join(grid.names)} with {grid.sizes} values; got columns with "
            f"{tuple(int(size) for size in largest)} values."
        )
    if coded.is_grid and len(coded) == len(grid):
        return Coded(*coded[np.argsort(grid.indices_of(coded.factors))])
    # A part of the grid may be a smaller grid; it is a sample all the same.
    coded.is_grid = False
    sample = shuffled(coded, seed)
    sample.is_grid = False
    return sample
