"""Mutual information gap (Chen et al. 2018), as disentanglement_lib computes it.

Each latent is cut into equal-width bins between its smallest and its largest value; the mutual information with each
factor is the plug-in estimate of the contingency table, in nats; a factor's gap is that of its best and its second-best
latent, divided by the factor's entropy; the score is the mean over the factors.
"""

import numpy as np

from perturb.config import MetricsConfig
from perturb.metrics.information import discretised, entropies, mutual_information


def compute_mig(codes: np.ndarray, factors: np.ndarray, config: MetricsConfig) -> float:
    """MIG in [0, 1], higher is better.

    Args:
        codes: float (n, latents), at least two latents, finite.
        factors: int (n, factors), each with at least two values in the sample.
        config: number of bins.

    Raises:
        ValueError: the score is not defined for these arrays; says why.

    """
    return float(compute_factor_gaps(codes, factors, config).mean())


def compute_factor_gaps(codes: np.ndarray, factors: np.ndarray, config: MetricsConfig) -> np.ndarray:
    """The normalised gap of each factor, float64 (factors,): thesis Figure 4.9. Raises as `compute_mig`."""
    _check(codes, factors)
    information = mutual_information(discretised(codes, config.num_bins), factors)
    best, second = np.sort(information, axis=0)[::-1][:2]
    return (best - second) / entropies(factors)


def _check(codes: np.ndarray, factors: np.ndarray) -> None:
    if codes.ndim != 2 or codes.shape[1] < 2:
        raise ValueError(f"`codes` must be (n, latents) with at least 2 latents for a gap, got shape {codes.shape}.")
    if factors.ndim != 2 or len(factors) != len(codes):
        raise ValueError(f"`factors` must be (n, factors) with n = {len(codes)}, got shape {factors.shape}.")
    if not np.isfinite(codes).all():
        raise ValueError("`codes` must be finite, got NaN or infinity.")
    constant = [column for column, factor in enumerate(factors.T) if len(np.unique(factor)) < 2]
    if constant:
        raise ValueError(f"every factor must take at least 2 values in the sample; these columns take one: {constant}.")
