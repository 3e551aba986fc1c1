"""The KL divergence in the polarized regime (thesis 3.2.2), in which units are either pruned or precise."""

import torch
from jaxtyping import Float
from torch import Tensor

from perturb.objectives.posterior import DiagonalGaussian

LEAST_DEVIATION = 0.5
"""A unit is active if the standard deviation of its means over images exceeds this (thesis 3.3.2)."""


def moving_units(means: Float[Tensor, "restarts n latents"]) -> Float[Tensor, "restarts latents"]:
    """Return 1 if √var(μ_j) over images is above 0.5, else 0: the active units of eq. 3.38."""
    return (means.std(dim=1, correction=0) > LEAST_DEVIATION).float()


def polarized_kl(posterior: DiagonalGaussian) -> Float[Tensor, " restarts"]:
    """Return L≈KL = ½ Σ_active (μ² − log σ² − 1) in nats, mean over the batch, (restarts,) (eq. 3.5)."""
    each = posterior.mean.square() - posterior.logvar - 1
    return 0.5 * (each.mean(dim=1) * moving_units(posterior.mean)).sum(dim=1)


def delta_kl(posterior: DiagonalGaussian) -> Float[Tensor, " restarts"]:
    """Return ΔKL = |KL − L≈KL| / KL, (restarts,), finite (eq. 3.38).

    It is 1 if no unit is active or the KL is not finite, and 0 if no unit is active and the KL is 0.
    """
    kl = posterior.kl()
    error = (kl - polarized_kl(posterior)).abs() / kl.abs().clamp(min=torch.finfo(kl.dtype).tiny)
    return error.nan_to_num(nan=1.0, posinf=1.0)
