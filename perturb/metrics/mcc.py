# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Mean correlation coefficient (Hyvärinen and Morioka 2016): latents matched to factors by absolute correlation."""

from collections.abc import Callable
from typing import cast

import numpy as np

from perturb.config.metrics import MCCConfig
from perturb.metrics.coded import Coded
from perturb.metrics.metric import Scores


def compute_mcc(coded: Coded, settings: MCCConfig, rng: np.random.Generator) -> Scores:
    """Return `mcc` in [0, 1], higher is better: the mean over factors, where a factor without a matched latent gives 0."""
    from scipy import optimize

    ((codes, factors),) = coded.sample(settings, rng)
    matrix = absolute_correlations(codes, factors, settings.correlation)
    matched = matrix[optimize.linear_sum_assignment(matrix, maximize=True)]
    return {"mcc": float(matched.sum() / coded.num_factors)}


def absolute_correlations(codes: np.ndarray, factors: np.ndarray, correlation: str) -> np.ndarray:
    """Return |correlation| of each latent with each factor's class number, in [0, 1], (latents, factors); 0 if constant."""
    if correlation == "spearman":
        from scipy import stats

        ranks = cast("Callable[..., np.ndarray]", stats.rankdata)
        codes, factors = ranks(codes, axis=0), ranks(factors, axis=0)
    latents, values = (array.astype(np.float64) - array.mean(axis=0, dtype=np.float64) for array in (codes, factors))
    scales = np.outer(np.linalg.norm(latents, axis=0), np.linalg.norm(values, axis=0))
    products = np.abs(latents.T @ values)
    return np.minimum(1.0, np.divide(products, scales, out=np.zeros_like(products), where=scales > 0))
