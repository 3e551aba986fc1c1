"""Mutual information gaps: over latents (MIG, Chen et al. 2018) and over factors (MIG-sup, Li et al. 2020).

MIG follows disentanglement_lib: each latent is discretised into equal-width bins between its smallest and largest value, and
the plug-in estimate of its mutual information with each factor is divided by the factor's entropy. MIG is the gap between a
factor's two best latents, averaged over factors: is a factor captured by one latent only? MIG-sup is the gap between a
latent's two best factors, averaged over latents that are not constant: does a latent capture one factor only?
"""

import numpy as np

from perturb.config.metrics import BinnedConfig
from perturb.metrics.coded import Coded, gap_to_runner_up, nonconstant
from perturb.metrics.information import discretised, entropies, mutual_information
from perturb.metrics.metric import Scores


def compute_mig(coded: Coded, settings: BinnedConfig, rng: np.random.Generator) -> Scores:
    """Return `mig` in [0, 1], higher is better, and each factor's gap, `mig_factor_0`, … (thesis Figure 4.9).

    Raises:
        UserError: If there are fewer than two latents.

    """
    coded.require("MIG", latents=2)
    ((codes, factors),) = coded.sample(settings, rng)
    gaps = gap_to_runner_up(information_shares(codes, factors, settings.num_bins))
    return {"mig": float(gaps.mean())} | {f"mig_factor_{k}": float(gap) for k, gap in enumerate(gaps)}


def compute_mig_sup(coded: Coded, settings: BinnedConfig, rng: np.random.Generator) -> Scores:
    """Return `mig_sup` in [0, 1], higher is better; 0 if every latent is constant.

    Raises:
        UserError: If there are fewer than two factors.

    """
    coded.require("MIG-sup", factors=2)
    ((codes, factors),) = coded.sample(settings, rng)
    shares = information_shares(codes, factors, settings.num_bins)[nonconstant(codes)]
    return {"mig_sup": float(gap_to_runner_up(shares.T).mean()) if len(shares) else 0.0}


def information_shares(codes: np.ndarray, factors: np.ndarray, num_bins: int) -> np.ndarray:
    """Return mutual information over the factor's entropy, in [0, 1], float64 (latents, factors)."""
    return mutual_information(discretised(codes, num_bins), factors) / entropies(factors)
