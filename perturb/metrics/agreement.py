"""Agreement of two models' codes: latent by latent, and after the best rotation.

An ensemble represents one kind of solution only if its members agree. Two measures distinguish how it can fail to:

    axes       agreement of single latents, whatever their order and signs (`relative_strength` of Duan et al. 2020)
    rotated    R² between the standardised codes after the best orthogonal map (and scale)

For models of one kind, both are near 1. For models with the same information but rotated axes, only the second is.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perturb.metrics.coded import standardised
from perturb.metrics.udr import SMALLEST_KL, lasso_coefficients, relative_strength


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The agreement of two models; both numbers are in [0, 1], and higher means closer."""

    axes: float
    rotated: float


def pairwise_agreement(codes: Sequence[np.ndarray], kl: Sequence[np.ndarray]) -> list[Agreement]:
    """Return the agreement of every pair of models, in the order of `itertools.combinations`; empty for fewer than two.

    Args:
        codes: Codes of each model, (n, latents), for the same images in the same order.
        kl: For each model, the mean KL divergence of each latent from its prior in nats, (latents,). Latents at or below
            0.01 carry no information and are left out.

    """
    known = [
        standardised(np.asarray(array, dtype=np.float64))[:, np.asarray(values) > SMALLEST_KL]
        for array, values in zip(codes, kl, strict=True)
    ]
    return [
        Agreement(axes=_axes(first, second), rotated=_rotated(first, second))
        for first, second in itertools.combinations(known, 2)
    ]


def _axes(first: np.ndarray, second: np.ndarray) -> float:
    """Return the agreement of single latents, averaged over predicting the second from the first and vice versa."""
    if not first.shape[1] or not second.shape[1]:
        return 0.0
    both = (first, second), (second, first)
    return float(np.mean([relative_strength(np.atleast_2d(lasso_coefficients(*pair))) for pair in both]))


def _rotated(first: np.ndarray, second: np.ndarray) -> float:
    """Return R² after orthogonal Procrustes alignment: (sum of the singular values of AᵀB)² / (‖A‖²‖B‖²)."""
    sizes = np.square(first).sum() * np.square(second).sum()
    return float(np.linalg.norm(first.T @ second, "nuc") ** 2 / sizes) if sizes > 0 else 0.0
