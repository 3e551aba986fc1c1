# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Rank correlation: the agreement of two measurements about the order of the same things."""

from collections.abc import Sequence

import numpy as np


def rank_correlation(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float | None:
    """Return Spearman's rank correlation, in [-1, 1]; None below three pairs, or where a side does not vary."""
    from scipy import stats

    if len(first) < 3 or min(np.ptp(first), np.ptp(second)) == 0:
        return None
    return float(np.asarray(stats.spearmanr(first, second))[0])
