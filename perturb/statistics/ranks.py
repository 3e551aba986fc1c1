# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Rank correlation: how well two measurements agree on the order of the same items."""

from collections.abc import Sequence

import numpy as np


def rank_correlation(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float | None:
    """Return Spearman's rank correlation, in [-1, 1]; None for fewer than three pairs, or if one side does not vary."""
    from scipy import stats

    if len(first) < 3 or min(np.ptp(first), np.ptp(second)) == 0:
        return None
    return float(np.asarray(stats.spearmanr(first, second))[0])
