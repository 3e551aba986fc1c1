"""Codes of those images of a grid that metrics read."""

import numpy as np

from perturb.datasets.ground_truth import FactorGrid
from perturb.metrics.coded import Coded


class PartlyCoded(Coded):
    """Some images of a grid, scored as the whole grid is: metrics draw from all of it, so `len` counts all of it.

    A metric that draws an image without a code is an IndexError; `rows_to_encode` says which are drawn.

    Args:
        codes: of the encoded images, as in `Coded`.
        grid: of all images.
        encoded: numbers of the encoded images, ascending, int64 (n,).

    Raises:
        UserError: as `Coded`.

    """

    def __init__(self, codes: np.ndarray, grid: FactorGrid, encoded: np.ndarray) -> None:
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
            raise IndexError("a metric draws images that were not encoded; encode what rows_to_encode says.")
        return found
