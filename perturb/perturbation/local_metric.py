"""The local metric of images in a code, and the saving from rotating the code's axes.

A VAE can choose the width σ_j of each latent. With optimal widths and a local metric G, the latents cost
½ Σ_j log(c + G_jj) nats per unit of β (thesis 3.18 to 3.24; Allen 2024, eq. 10). This corresponds to the product of the
column norms of the decoder's Jacobian, with c the price of a nat in units of the likelihood's variance. Rotated onto the
eigenvectors of G, they cost ½ log det(cI + G), which is never more, by Hadamard's inequality. The difference is what a code
gains by giving up its axes. If G is diagonal it is 0, and training keeps the axes. If other axes are cheaper, it is large.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from perturb.objectives.encode import unit_variances
from perturb.training.loop import ACTIVE

RIDGE = 0.01
"""Ridge added to the neighbours' covariance, as a share of the squared width, so that slopes exist with few neighbours."""


def slopes_at(
    anchors: Float[Tensor, "anchors latents"], codes: Float[Tensor, "points latents"], width: float
) -> Float[Tensor, "anchors latents points"]:
    """Return the operators that fit slopes around each anchor, (anchors, latents, points), to be multiplied by images.

    They are a locally linear regression of any values at the points on the points' codes, with Gaussian weights. Points are
    neighbours in *code* space. No factor is differentiated, and if a code cuts the hue circle, its two ends are simply far
    apart.

    Args:
        anchors: Codes around which to fit, (anchors, latents).
        codes: Standardised codes of the points, (points, latents).
        width: Standard deviation of the weights, in standard deviations of the code.

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
    """Return Ḡ, the mean of J Jᵀ over anchors, (latents, latents), where J are the slopes of images (points, pixels).

    It is differentiable in the images. The mean is taken before any logarithm, because an encoder has one set of axes for
    all data, not one per image.
    """
    jacobians = slopes.flatten(0, 1) @ images
    jacobians = jacobians.unflatten(0, slopes.shape[:2])
    return torch.einsum("bip,bjp->ij", jacobians, jacobians) / len(jacobians)


def log_columns(metric: Float[Tensor, "latents latents"], price: float) -> Float[Tensor, ""]:
    """Return Σ_j log(c + G_jj), a scalar: twice the nats per unit of β that a code pays for images along its own axes.

    Args:
        metric: The local metric G, symmetric and positive semi-definite, (latents, latents).
        price: The constant c > 0.

    """
    return torch.log(metric.diagonal() + price).sum()


def log_volume(metric: Float[Tensor, "latents latents"], price: float) -> Float[Tensor, ""]:
    """Return log det(cI + G), a scalar: the minimum of `log_columns` over all rotations of the axes; arguments as there."""
    floored = metric + price * torch.eye(len(metric), dtype=metric.dtype, device=metric.device)
    return torch.linalg.slogdet(floored).logabsdet


def gain_of_turning(metric: Float[Tensor, "latents latents"], price: float) -> Float[Tensor, ""]:
    """Return Σ_j log(c + G_jj) − log det(cI + G) ≥ 0, a scalar: twice the nats per unit of β that the best axes would save.

    Arguments as for `log_columns`.
    """
    # Compute the volume first. Autograd accumulates gradients in reverse order, and the first one determines their memory
    # layout and hence the rounding of later products. The training of m_ψ amplifies such differences, and the published
    # patterns depend on these exact bits.
    volume = log_volume(metric, price)
    return log_columns(metric, price) - volume


def best_axes(metric: Float[Tensor, "latents latents"]) -> Float[Tensor, "latents latents"]:
    """Return the rotation (latents, latents) whose rows are the cheapest axes: the eigenvectors of the metric."""
    return torch.linalg.eigh(metric).eigenvectors.mT


def active_codes(
    means: Float[np.ndarray, "n latents"], logvars: Float[np.ndarray, "n latents"]
) -> Float[Tensor, "n active"]:
    """Return the standardised codes of the active latents, float32 (n, active latents).

    Unused latents are left out: once standardised, their noise would look like an axis.

    Args:
        means: Posterior means, (n, latents).
        logvars: Logarithms of the posterior variances, (n, latents).

    """
    return standardised(torch.from_numpy(means)[:, torch.from_numpy(active_latents(logvars))])


def active_latents(logvars: Float[np.ndarray, "n latents"]) -> Bool[np.ndarray, " latents"]:
    """Return which latents are active: those whose posterior variance, averaged over images, is below 0.8 (thesis 4.3.4).

    If fewer than two are active, as after a rehearsal, all latents count as active.

    Args:
        logvars: Logarithms of the posterior variances, (n, latents).

    """
    active = unit_variances(logvars) < ACTIVE
    return active if active.sum() > 1 else np.ones_like(active)


def standardised(codes: Float[Tensor, "n latents"]) -> Float[Tensor, "n latents"]:
    """Return codes (n, latents) with mean 0 and standard deviation 1 in each latent.

    The function of the same name in metrics/coded.py rounds differently and must not replace this one: the training of m_ψ
    amplifies rounding errors, and the published patterns depend on these exact bits.
    """
    return (codes - codes.mean(dim=0)) / codes.std(dim=0, correction=0).clamp(min=1e-6)
