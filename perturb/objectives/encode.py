"""Encoding of images: the images that metrics read are encoded once, and all metrics share the codes."""

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
    """Return posterior means and log-variances of images by number, each float32 (n, latents), by the only restart.

    `progress` is updated with every batch.
    """
    # One array for all batches: small arrays that are kept would lie between the large blocks that each batch frees, the C
    # library could not use these again, and a full grid would take gigabytes.
    means = np.empty((len(indices), objective.latents), dtype=np.float32)
    logvars, done = np.empty_like(means), 0
    for numbers in batches(indices, progress):
        posterior = objective.posterior(pixels.batch(numbers, device=objective.device)[None])
        rows = slice(done, done := done + len(numbers))
        means[rows], logvars[rows] = posterior.mean[0].cpu().numpy(), posterior.logvar[0].cpu().numpy()
    return means, logvars


def unit_variances(logvars: np.ndarray) -> np.ndarray:
    """Return each unit's posterior variance, averaged over the encoded images, float64 (latents,): E[σ²] of thesis 4.3.4.

    Metrics draw every image of a grid with the same probability, so this estimates the mean over all of them.
    """
    return np.exp(logvars.astype(np.float64)).mean(axis=0)
