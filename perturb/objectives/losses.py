"""Loss terms. All are summed over pixels and latents and averaged over the batch, with one number per restart.

With this convention, β and γ have the units of the thesis's Table 4.1.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from perturb.objectives.cross_entropy import CrossEntropy


def bernoulli_loss(
    logits: Float[Tensor, "restarts n *image"], images: Float[Tensor, "restarts n *image"]
) -> Float[Tensor, " restarts"]:
    """Return the cross-entropy of images in [0, 1] under logits, both (restarts, n, ...), in nats: pixel sum, batch mean.

    If targets are not 0 or 1, it cannot reach 0: `bernoulli_floor` is its minimum.
    """
    return CrossEntropy.apply(logits, images) / logits.shape[1]


def gaussian_loss(
    means: Float[Tensor, "restarts n *image"],
    images: Float[Tensor, "restarts n *image"],
    logvar: Float[Tensor, " restarts"],
) -> Float[Tensor, " restarts"]:
    """Return ½ ‖x − m‖² / σ² + ½ d log(2π σ²) for images of d values, in nats: sum over values, batch mean.

    Args:
        means: (restarts, n, ...).
        images: (restarts, n, ...), with values of any size.
        logvar: log σ², one for all values of a restart.

    """
    errors = (images - means).square().flatten(2)
    constant = errors.shape[2] * (math.log(2 * math.pi) + logvar)
    return 0.5 * (errors.sum(dim=(1, 2)) / errors.shape[1] * torch.exp(-logvar) + constant)


def bernoulli_floor(images: UInt8[np.ndarray, "n *image"]) -> float:
    """Return the images' own entropy, in nats: pixel sum, image mean. It is the `bernoulli_loss` of a perfect decoder.

    Args:
        images: uint8 (n, ...). Every value is the probability of a 1, in units of 1 / 255.

    """
    from scipy.special import entr

    levels = np.arange(256) / 255
    return float(np.bincount(images.ravel(), minlength=256) @ (entr(levels) + entr(1 - levels)) / len(images))


def binary_loss(logits: Float[Tensor, "restarts n"], *, positive: bool) -> Float[Tensor, " restarts"]:
    """Return the cross-entropy of logits (restarts, n) that all belong to one class, mean over n."""
    return functional.softplus(-logits if positive else logits).mean(dim=1)
