"""Codes once: a model encodes the images that metrics read one time, and every metric reads those."""

import numpy as np
import torch

from perturb.datasets.pixels import Pixels
from perturb.metrics.encoder import batches
from perturb.objectives import Objective
from perturb.progress import Progress


@torch.no_grad()
def encode(
    objective: Objective, pixels: Pixels, indices: np.ndarray, *, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means and log-variances by the only restart, each float32 (n, latents), of images by number.

    `progress` is told of every batch.
    """
    means, logvars = [], []
    for numbers in batches(indices, progress):
        posterior = objective.posterior(pixels.batch(numbers, device=objective.device)[None])
        means.append(posterior.mean[0].cpu().numpy())
        logvars.append(posterior.logvar[0].cpu().numpy())
    return np.concatenate(means), np.concatenate(logvars)


def unit_variances(logvars: np.ndarray) -> np.ndarray:
    """Posterior variance of each unit averaged over the encoded images, float64 (latents,): E[σ²] of thesis 4.3.4.

    Metrics draw every image of a grid with the same probability, so that this estimates the mean over all of them.
    """
    return np.exp(logvars.astype(np.float64)).mean(axis=0)
