"""Samples of a synthetic set as a file."""

from pathlib import Path

import numpy as np

from perturb.datasets.synthetic import Synthetic
from perturb.errors import UserError
from perturb.files import atomic_write


def write_vectors(path: Path, made: Synthetic, *, seed: int) -> None:
    """Write 50,000 samples as an archive of two arrays.

    `observations` is float32 (50000, dimensions) and `factors` float64 (50000, 2), row by row the same samples.

    Args:
        path: ends in .npz.
        made: the set.
        seed: of the samples.

    Raises:
        UserError: another ending, or a place that cannot be written to.

    """
    if path.suffix != ".npz":
        raise UserError(f"--out must end in .npz for {made.name}, got {path.name}.")
    factors, observations = made.sample(seed)
    try:
        with atomic_write(path) as part, part.open("wb") as file:
            np.savez(file, observations=observations, factors=factors)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); nothing was left behind.") from None
