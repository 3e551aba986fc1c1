"""Do two models have the same code? As it is, latent by latent, and after the best rotation.

An ensemble stands for one kind of solution only if its members agree. Two measures tell its ways of failing apart:

    axes       agreement of single latents, whatever their order and signs (`relative_strength` of Duan et al. 2020)
    rotated    R² between the standardised codes after the orthogonal map (and the scale) that brings them nearest

Models of one kind have both near 1. Models that hold the same and lie turned against each other have only the second.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perturb.metrics.coded import standardised
from perturb.metrics.udr import SMALLEST_KL, lasso_coefficients, relative_strength


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The agreement of two models; both numbers are in [0, 1], higher is nearer."""

    axes: float
    rotated: float


def pairwise_agreement(codes: Sequence[np.ndarray], kl: Sequence[np.ndarray]) -> list[Agreement]:
    """Agreement of every pair of models, in the order of `itertools.combinations`; none of fewer than two.

    Args:
        codes: of each model, (n, latents), of the same images in the same order.
        kl: of each model, mean KL divergence of each latent from its prior in nats, (latents,); latents below 0.01 say
            nothing and are left out.

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
    """Mean over predicting the second by the first and the other way round."""
    if not first.shape[1] or not second.shape[1]:
        return 0.0
    both = (first, second), (second, first)
    return float(np.mean([relative_strength(np.atleast_2d(lasso_coefficients(*pair))) for pair in both]))


def _rotated(first: np.ndarray, second: np.ndarray) -> float:
    """Orthogonal Procrustes: (sum of the singular values of AᵀB)² over ‖A‖²‖B‖²."""
    sizes = np.square(first).sum() * np.square(second).sum()
    return float(np.linalg.norm(first.T @ second, "nuc") ** 2 / sizes) if sizes > 0 else 0.0
