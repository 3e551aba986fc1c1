"""Interventional robustness score (Suter et al. 2019), as in disentanglement_lib: its scalable form."""

import numpy as np

from perturb.config.metrics import IRSConfig
from perturb.metrics.coded import Coded, nonconstant
from perturb.metrics.information import discretised
from perturb.metrics.metric import Scores


def compute_irs(coded: Coded, settings: IRSConfig, rng: np.random.Generator) -> Scores:
    """`irs` in [0, 1], higher is better; 0 when every latent is constant. `irs_active` counts the others.

    disentanglement_lib's `num_active_dims` is the sum of all codes; `irs_code_sum` is that number, for comparison.
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
    """1 − how far a latent strays while a factor stands still, over its largest deviation: (latents, factors).

    Straying is the quantile of distances from the mean within each value of the factor, averaged over values.
    """
    found = np.zeros((codes.shape[1], factors.shape[1]))
    for k, factor in enumerate(factors.T):
        strays: list[np.ndarray] = []
        for value in np.unique(factor):
            chosen = codes[factor == value]
            strays.append(np.percentile(np.abs(chosen - chosen.mean(axis=0)), q=quantile * 100, axis=0))
        found[:, k] = np.mean(strays, axis=0)
    return 1.0 - found / deviations[:, None]
