"""Loss terms. One convention everywhere: sums over pixels and latents, means over the batch, one number a restart.

β and γ have the units of the thesis's Table 4.1 under it.
"""

from torch import Tensor
from torch.nn import functional


def bernoulli_loss(logits: Tensor, images: Tensor) -> Tensor:
    """Cross-entropy of images in [0, 1] under logits, both (restarts, n, ...), in nats: sum over pixels, batch mean.

    With targets that are not 0 or 1 it cannot reach 0: its floor is their entropy.
    """
    per_pixel = functional.softplus(logits) - images * logits
    return per_pixel.flatten(1).sum(dim=1) / logits.shape[1]


def binary_loss(logits: Tensor, *, positive: bool) -> Tensor:
    """Cross-entropy of logits (restarts, n) when all of them are of one class, mean over n."""
    return functional.softplus(-logits if positive else logits).mean(dim=1)
