"""The local metric of images in a code, and the saving by turning its axes.

A VAE may choose the width σ_j of each latent. With the best widths, latents that see a local metric G cost
½ Σ_j log(c + G_jj) nats a unit of β (thesis 3.18 to 3.24; Allen 2024, eq. 10): the product of the column norms of the
decoder's Jacobian, with c the price of a nat in units of the likelihood's variance. Turned onto the eigenvectors of G they
cost ½ log det(cI + G), which by Hadamard's inequality is never more. The difference is what a code gains by giving up its
axes: 0 where G is diagonal, and then training keeps them; large where another set of axes is cheaper.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from perturb.objectives.encode import unit_variances
from perturb.training.loop import ACTIVE

RIDGE = 0.01
"""Added to the spread of the neighbours, as a share of the squared width, so that few of them still have a slope."""


def slopes_at(
    anchors: Float[Tensor, "anchors latents"], codes: Float[Tensor, "points latents"], width: float
) -> Float[Tensor, "anchors latents points"]:
    """The operators that fit slopes around each anchor: (anchors, latents, points), to be multiplied by images.

    A locally linear regression of whatever stands at the points on their codes, with Gaussian weights. Neighbours are
    neighbours in *code* space: no factor is differentiated, and where a hue circle is cut its two ends are simply far apart.

    Args:
        anchors: codes around which to fit, (anchors, latents).
        codes: of the points, (points, latents), standardised.
        width: standard deviation of the weights, in standard deviations of the code.

    """
    distances = torch.cdist(anchors, codes).square()
    weights = torch.softmax(-distances / (2 * width**2), dim=1)
    centred = codes[None] - (weights @ codes)[:, None]
    weighted = (weights[..., None] * centred).mT
    spread = weighted @ centred
    ridge = RIDGE * width**2 * torch.eye(codes.shape[1], dtype=codes.dtype, device=codes.device)
    return torch.linalg.solve(spread + ridge, weighted).contiguous()


def mean_metric(
    slopes: Float[Tensor, "anchors latents points"], images: Float[Tensor, "points pixels"]
) -> Float[Tensor, "latents latents"]:
    """Ḡ = mean over anchors of J Jᵀ, (latents, latents), J the slopes of images (points, pixels); differentiable in them.

    The mean comes before any logarithm: an encoder turns its axes once for all data, not for each image anew.
    """
    jacobians = slopes.flatten(0, 1) @ images
    jacobians = jacobians.unflatten(0, slopes.shape[:2])
    return torch.einsum("bip,bjp->ij", jacobians, jacobians) / len(jacobians)


def log_columns(metric: Float[Tensor, "latents latents"], price: float) -> Float[Tensor, ""]:
    """Σ_j log(c + G_jj), a scalar: twice the nats, per unit of β, that a code pays for images along its own axes.

    Args:
        metric: G, symmetric and positive semi-definite, (latents, latents).
        price: c > 0.

    """
    return torch.log(metric.diagonal() + price).sum()


def log_volume(metric: Float[Tensor, "latents latents"], price: float) -> Float[Tensor, ""]:
    """The scalar log det(cI + G), the least that `log_columns` is along any rotation of the axes; arguments as there."""
    floored = metric + price * torch.eye(len(metric), dtype=metric.dtype, device=metric.device)
    return torch.linalg.slogdet(floored).logabsdet


def gain_of_turning(metric: Float[Tensor, "latents latents"], price: float) -> Float[Tensor, ""]:
    """Σ_j log(c + G_jj) − log det(cI + G) ≥ 0, a scalar: twice the nats, per unit of β, that the best axes would save.

    Arguments as `log_columns`.
    """
    # The volume first: autograd sums gradients in reverse order, and the first decides how they lie in memory, and so how
    # later products round. The training of m_ψ amplifies that, and the published patterns come from these very bits.
    volume = log_volume(metric, price)
    return log_columns(metric, price) - volume


def best_axes(metric: Float[Tensor, "latents latents"]) -> Float[Tensor, "latents latents"]:
    """The rotation (latents, latents) whose rows are the axes that cost least: the eigenvectors of the metric."""
    return torch.linalg.eigh(metric).eigenvectors.mT


def active_codes(
    means: Float[np.ndarray, "n latents"], logvars: Float[np.ndarray, "n latents"]
) -> Float[Tensor, "n active"]:
    """Return the standardised codes of the active latents, float32 (n, active latents).

    The noise of an unused latent, standardised, would pass for an axis.

    Args:
        means: posterior means, (n, latents).
        logvars: logarithms of the posterior variances, (n, latents).

    """
    return standardised(torch.from_numpy(means)[:, torch.from_numpy(active_latents(logvars))])


def active_latents(logvars: Float[np.ndarray, "n latents"]) -> Bool[np.ndarray, " latents"]:
    """Return which latents are active: those whose posterior variance, averaged over images, is below 0.8 (thesis 4.3.4).

    Where fewer than two are, as after a rehearsal, all are taken.

    Args:
        logvars: logarithms of the posterior variances, (n, latents).

    """
    active = unit_variances(logvars) < ACTIVE
    return active if active.sum() > 1 else np.ones_like(active)


def standardised(codes: Float[Tensor, "n latents"]) -> Float[Tensor, "n latents"]:
    """Return codes (n, latents) with mean 0 and standard deviation 1 in each latent.

    Not by the function of the same name in metrics/coded.py, which rounds otherwise: the training of m_ψ amplifies rounding
    errors, and the published patterns come from these very bits.
    """
    return (codes - codes.mean(dim=0)) / codes.std(dim=0, correction=0).clamp(min=1e-6)
