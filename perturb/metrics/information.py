"""Plug-in estimates of information between discrete columns, in nats, as used by MIG, modularity and others."""

import numpy as np
from jaxtyping import Float64, Int64, Num


def discretised(codes: Num[np.ndarray, "n latents"], num_bins: int) -> Int64[np.ndarray, "n latents"]:
    """Return bin numbers 1 … num_bins, int64 (n, latents), with equal-width bins from a latent's minimum to its maximum.

    This is disentanglement_lib's histogram discretiser. It uses the left edges only, so the maximum falls into the last bin.
    """
    columns: list[np.ndarray] = [np.digitize(column, np.histogram(column, num_bins)[1][:-1]) for column in codes.T]
    return np.stack(columns, axis=1)


def mutual_information(rows: Num[np.ndarray, "n a"], columns: Num[np.ndarray, "n b"]) -> Float64[np.ndarray, "a b"]:
    """Return the mutual information of every pair of discrete variables, float64 (a, b) ≥ 0.

    The samples are int (n, a) and int (n, b). The bias of the plug-in estimate, about (values − 1)(values′ − 1) / 2n, is not
    corrected.
    """
    first, second = _numbered(rows), _numbered(columns)
    return np.array([[_information(row, column) for column in second] for row in first]).reshape(len(first), len(second))


def entropies(columns: Num[np.ndarray, "n b"]) -> Float64[np.ndarray, " b"]:
    """Return the entropy of every discrete variable, float64 (b,), from samples int (n, b)."""
    return np.array([_entropy(np.bincount(column)) for column in _numbered(columns)])


def _numbered(samples: np.ndarray) -> list[np.ndarray]:
    """Return the values of each variable as indices 0, 1, … in their order."""
    return [np.unique(column, return_inverse=True)[1] for column in samples.T]


def _information(row: np.ndarray, column: np.ndarray) -> float:
    width = int(column.max()) + 1
    counts = np.bincount(row * width + column, minlength=(int(row.max()) + 1) * width)
    joint = counts.reshape(-1, width)
    found = _entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1)) - _entropy(counts)
    # Rounding can make the result for independent variables slightly negative.
    return max(0.0, found)


def _entropy(counts: np.ndarray) -> float:
    counts = counts[counts > 0]
    total = counts.sum()
    return float(np.log(total) - (counts * np.log(counts)).sum() / total)
