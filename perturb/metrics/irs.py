"""Interventional robustness score (Suter et al. 2019), in its scalable form as in disentanglement_lib."""

import numpy as np

from perturb.config.metrics import IRSConfig
from perturb.metrics.coded import Coded, nonconstant
from perturb.metrics.information import discretised
from perturb.metrics.metric import Scores


def compute_irs(coded: Coded, settings: IRSConfig, rng: np.random.Generator) -> Scores:
    """Return `irs` in [0, 1], higher is better; 0 if every latent is constant. `irs_active` counts the other latents.

    disentanglement_lib's `num_active_dims` is in fact the sum of all codes. `irs_code_sum` is that number, for comparison.
    """
    ((codes, factors),) = coded.sample(settings, rng)
    active = codes[:, nonconstant(codes)]
    counts = {"irs_active": float(active.shape[1]), "irs_code_sum": float(active.sum())}
    if active.shape[1] == 0:
        return {"irs": 0.0} | counts
    bins = discretised(factors.astype(np.float64), settings.num_bins)
    deviations = np.abs(active - active.mean(axis=0)).max(axis=0)
    best = robustness(active, bins, deviations, settings.quantile).max(axis=1)
    return {"irs": float(np.average(best, weights=deviations))} | counts


def robustness(codes: np.ndarray, factors: np.ndarray, deviations: np.ndarray, quantile: float) -> np.ndarray:
    """Return 1 − (a latent's deviation while a factor is fixed) / (its largest deviation), (latents, factors).

    The former is a quantile of the distances from the mean within each value of the factor, averaged over values.
    """
    within = np.zeros((codes.shape[1], factors.shape[1]))
    for k, factor in enumerate(factors.T):
        strays: list[np.ndarray] = []
        for value in np.unique(factor):
            chosen = codes[factor == value]
            strays.append(np.percentile(np.abs(chosen - chosen.mean(axis=0)), q=quantile * 100, axis=0))
        within[:, k] = np.mean(strays, axis=0)
    return 1.0 - within / deviations[:, None]
