"""Plug-in information between discrete columns, in nats: what MIG, modularity and others are made of."""

import numpy as np
from jaxtyping import Float64, Int64, Num


def discretised(codes: Num[np.ndarray, "n latents"], num_bins: int) -> Int64[np.ndarray, "n latents"]:
    """Bin numbers 1 … num_bins, int64 (n, latents): equal widths from a latent's minimum to its maximum.

    disentanglement_lib's histogram discretiser: the left edges alone decide, so that the maximum falls into the last bin.
    """
    columns: list[np.ndarray] = [np.digitize(column, np.histogram(column, num_bins)[1][:-1]) for column in codes.T]
    return np.stack(columns, axis=1)


def mutual_information(rows: Num[np.ndarray, "n a"], columns: Num[np.ndarray, "n b"]) -> Float64[np.ndarray, "a b"]:
    """Mutual information of every pair of discrete variables, float64 (a, b) ≥ 0, from samples int (n, a) and int (n, b).

    No correction for the bias of the plug-in estimate, which is about (values − 1)(values′ − 1) / 2n.
    """
    first, second = _numbered(rows), _numbered(columns)
    return np.array([[_information(row, column) for column in second] for row in first]).reshape(len(first), len(second))


def entropies(columns: Num[np.ndarray, "n b"]) -> Float64[np.ndarray, " b"]:
    """Entropy of every discrete variable, float64 (b,), from samples int (n, b)."""
    return np.array([_entropy(np.bincount(column)) for column in _numbered(columns)])


def _numbered(samples: np.ndarray) -> list[np.ndarray]:
    """The values of each variable as numbers 0, 1, … in their order."""
    return [np.unique(column, return_inverse=True)[1] for column in samples.T]


def _information(row: np.ndarray, column: np.ndarray) -> float:
    width = int(column.max()) + 1
    counts = np.bincount(row * width + column, minlength=(int(row.max()) + 1) * width)
    joint = counts.reshape(-1, width)
    found = _entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1)) - _entropy(counts)
    # Independent variables come out as minus a rounding error.
    return max(0.0, found)


def _entropy(counts: np.ndarray) -> float:
    counts = counts[counts > 0]
    total = counts.sum()
    return float(np.log(total) - (counts * np.log(counts)).sum() / total)
