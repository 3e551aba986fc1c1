"""Loss terms. One convention everywhere: sums over pixels and latents, means over the batch, one number a restart.

β and γ have the units of the thesis's Table 4.1 under it.
"""

import numpy as np
import torch
from scipy.special import entr
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional


def bernoulli_loss(logits: Tensor, images: Tensor) -> Tensor:
    """Cross-entropy of images in [0, 1] under logits, both (restarts, n, ...), in nats: sum over pixels, batch mean.

    With targets that are not 0 or 1 it cannot reach 0: `bernoulli_floor` is the least that it can be.
    """
    return CrossEntropy.apply(logits, images) / logits.shape[1]


def bernoulli_floor(images: np.ndarray) -> float:
    """The images' own entropy, which `bernoulli_loss` has where they are drawn exactly: in nats, sum over pixels, mean.

    Args:
        images: uint8 (n, ...), every value the probability of a 1 in units of 1 / 255.

    """
    levels = np.arange(256) / 255
    return float(np.bincount(images.ravel(), minlength=256) @ (entr(levels) + entr(1 - levels)) / len(images))


class CrossEntropy(torch.autograd.Function):
    """Sum over all but the first axis; by hand, since autograd would take twice as many passes over all pixels."""

    @staticmethod
    def forward(ctx: FunctionCtx, logits: Tensor, images: Tensor) -> Tensor:
        """log(1 + exp(logit)) − image · logit."""
        ctx.save_for_backward(logits, images)
        return functional.softplus(logits).addcmul_(images, logits, value=-1).flatten(1).sum(dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        """The gradient of the logits; images get none."""
        logits, images = ctx.saved_tensors
        slope = torch.sigmoid(logits).sub_(images).flatten(1).mul_(gradient[:, None])
        return slope.view(logits.shape), None


def binary_loss(logits: Tensor, *, positive: bool) -> Tensor:
    """Cross-entropy of logits (restarts, n) when all of them are of one class, mean over n."""
    return functional.softplus(-logits if positive else logits).mean(dim=1)
