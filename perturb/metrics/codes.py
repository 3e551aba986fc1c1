"""Codes once: a model encodes the grid, or a sample of it, one time, and every metric reads those."""

import numpy as np
import torch

from perturb.datasets.pixels import Pixels
from perturb.objectives import Objective
from perturb.progress import Progress

BATCH = 512


@torch.no_grad()
def encode(
    objective: Objective, pixels: Pixels, indices: np.ndarray, *, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means and log-variances by the only restart, each float32 (n, latents), of images by number.

    `progress` is told of every batch.
    """
    means, logvars = [], []
    for start in range(0, len(indices), BATCH):
        if progress:
            progress.report(start, len(indices), "encoding")
        batch = pixels.batch(indices[start : start + BATCH], device=objective.device)
        posterior = objective.posterior(batch[None])
        means.append(posterior.mean[0].cpu().numpy())
        logvars.append(posterior.logvar[0].cpu().numpy())
    return np.concatenate(means), np.concatenate(logvars)


def unit_variances(logvars: np.ndarray) -> np.ndarray:
    """Posterior variance of each unit averaged over the data, float64 (latents,): E[σ²] of thesis 4.3.4."""
    return np.exp(logvars.astype(np.float64)).mean(axis=0)
