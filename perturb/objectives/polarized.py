"""The KL divergence in the polarized regime (thesis 3.2.2), which units that are either pruned or precise induce."""

import torch
from jaxtyping import Float
from torch import Tensor

from perturb.objectives.posterior import DiagonalGaussian

LEAST_DEVIATION = 0.5
"""A unit is active where the standard deviation of its means over images exceeds this (thesis 3.3.2)."""


def moving_units(means: Float[Tensor, "restarts n latents"]) -> Float[Tensor, "restarts latents"]:
    """1 where √var(μ_j) over images is above 0.5, else 0: the active units of eq. 3.38."""
    return (means.std(dim=1, correction=0) > LEAST_DEVIATION).float()


def polarized_kl(posterior: DiagonalGaussian) -> Float[Tensor, " restarts"]:
    """L≈KL = ½ Σ_active (μ² − log σ² − 1) in nats, mean over the batch, (restarts,) (eq. 3.5)."""
    each = posterior.mean.square() - posterior.logvar - 1
    return 0.5 * (each.mean(dim=1) * moving_units(posterior.mean)).sum(dim=1)


def delta_kl(posterior: DiagonalGaussian) -> Float[Tensor, " restarts"]:
    """ΔKL = |KL − L≈KL| / KL, (restarts,), finite (eq. 3.38).

    Where no unit is active it is 1, and so it is where the KL is not finite; where the KL is 0 as well, it is 0.
    """
    kl = posterior.kl()
    error = (kl - polarized_kl(posterior)).abs() / kl.abs().clamp(min=torch.finfo(kl.dtype).tiny)
    return error.nan_to_num(nan=1.0, posinf=1.0)
