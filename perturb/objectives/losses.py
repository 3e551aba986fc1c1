"""Loss terms. One convention everywhere: sums over pixels and latents, means over the batch, one number a restart.

β and γ have the units of the thesis's Table 4.1 under it.
"""

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from perturb.objectives.cross_entropy import CrossEntropy


def bernoulli_loss(
    logits: Float[Tensor, "restarts n *image"], images: Float[Tensor, "restarts n *image"]
) -> Float[Tensor, " restarts"]:
    """Cross-entropy of images in [0, 1] under logits, both (restarts, n, ...), in nats: sum over pixels, batch mean.

    With targets that are not 0 or 1 it cannot reach 0: `bernoulli_floor` is the least that it can be.
    """
    return CrossEntropy.apply(logits, images) / logits.shape[1]


def bernoulli_floor(images: UInt8[np.ndarray, "n *image"]) -> float:
    """The images' own entropy, which `bernoulli_loss` has where they are drawn exactly: in nats, sum over pixels, mean.

    Args:
        images: uint8 (n, ...), every value the probability of a 1 in units of 1 / 255.

    """
    from scipy.special import entr

    levels = np.arange(256) / 255
    return float(np.bincount(images.ravel(), minlength=256) @ (entr(levels) + entr(1 - levels)) / len(images))


def binary_loss(logits: Float[Tensor, "restarts n"], *, positive: bool) -> Float[Tensor, " restarts"]:
    """Cross-entropy of logits (restarts, n) when all of them are of one class, mean over n."""
    return functional.softplus(-logits if positive else logits).mean(dim=1)
