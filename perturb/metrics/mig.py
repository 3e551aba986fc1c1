"""Mutual information gaps: over latents (MIG, Chen et al. 2018) and over factors (MIG-sup, Li et al. 2020).

As disentanglement_lib computes the first: each latent is cut into equal-width bins between its smallest and its largest
value; the mutual information with each factor is the plug-in estimate, divided by the factor's entropy. MIG is the gap of a
factor's two best latents, mean over factors: is a factor in one latent only? MIG-sup is the gap of a latent's two best
factors, mean over latents that are not constant: does a latent hold one factor only?
"""

import numpy as np

from perturb.config.metrics import MIGConfig
from perturb.errors import UserError
from perturb.metrics.coded import Coded
from perturb.metrics.information import discretised, entropies, mutual_information
from perturb.metrics.metric import Scores


def compute_mig(coded: Coded, settings: MIGConfig, rng: np.random.Generator) -> Scores:
    """`mig` in [0, 1], higher is better, and each factor's gap, `mig_factor_0`, … (thesis Figure 4.9).

    Raises:
        UserError: fewer than two latents.

    """
    ((codes, factors),) = coded.drawn([settings.num_train], rng)
    gaps = factor_gaps(codes, factors, settings.num_bins)
    return {"mig": float(gaps.mean())} | {f"mig_factor_{k}": float(gap) for k, gap in enumerate(gaps)}


def compute_mig_sup(coded: Coded, settings: MIGConfig, rng: np.random.Generator) -> Scores:
    """`mig_sup` in [0, 1], higher is better; 0 when every latent is constant.

    Raises:
        UserError: fewer than two factors.

    """
    if coded.num_factors < 2:
        raise UserError("MIG-sup is a gap between factors and needs at least 2, got 1.")
    ((codes, factors),) = coded.drawn([settings.num_train], rng)
    shares = information_shares(codes, factors, settings.num_bins)[np.ptp(codes, axis=0) > 0]
    return {"mig_sup": float(gaps(shares.T).mean()) if len(shares) else 0.0}


def factor_gaps(codes: np.ndarray, factors: np.ndarray, num_bins: int) -> np.ndarray:
    """MIG's gap of each factor, float64 (factors,), of codes (n, latents) and factors (n, factors)."""
    if codes.shape[1] < 2:
        raise UserError(f"MIG is a gap between latents and needs at least 2, got {codes.shape[1]}.")
    return gaps(information_shares(codes, factors, num_bins))


def information_shares(codes: np.ndarray, factors: np.ndarray, num_bins: int) -> np.ndarray:
    """Mutual information over the factor's entropy, in [0, 1], float64 (latents, factors)."""
    return mutual_information(discretised(codes, num_bins), factors) / entropies(factors)


def gaps(shares: np.ndarray) -> np.ndarray:
    """Largest minus second largest of each column."""
    best, second = np.sort(shares, axis=0)[::-1][:2]
    return best - second
