"""Modularity (Ridgeway and Mozer 2018), as in disentanglement_lib: does a latent carry information on one factor only?"""

import numpy as np

from perturb.config.metrics import BinnedConfig
from perturb.metrics.coded import Coded
from perturb.metrics.information import discretised, mutual_information
from perturb.metrics.metric import Scores


def compute_modularity(coded: Coded, settings: BinnedConfig, rng: np.random.Generator) -> Scores:
    """Return `modularity` in [0, 1], higher is better.

    Raises:
        UserError: If there are fewer than two factors.

    """
    coded.require("modularity", factors=2)
    ((codes, factors),) = coded.sample(settings, rng)
    return {"modularity": modularity(mutual_information(discretised(codes, settings.num_bins), factors))}


def modularity(information: np.ndarray) -> float:
    """Return 1 − the squared information on all but the best factor, relative to its maximum, averaged over latents.

    A latent without any information counts as 0.

    Args:
        information: Mutual information (latents, factors) ≥ 0.

    """
    squares = np.square(information)
    best = squares.max(axis=1)
    others = squares.sum(axis=1) - best
    largest = best * (squares.shape[1] - 1.0)
    per_latent = 1.0 - np.divide(others, largest, out=np.ones_like(best), where=best > 0)
    return float(per_latent.mean())
