"""Likelihoods: the distribution of an image given a decoder's output for its code.

Every loss is a negative log-likelihood in nats per image, including all constants: summed over pixels, or over the values of
a vector, and averaged over the batch, with one number per restart.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from perturb.config.training import GaussianConfig
from perturb.objectives.losses import bernoulli_loss, gaussian_loss

LEARNT_FROM = 1.0
"""Initial value of a learnt variance."""


class Likelihood(nn.Module, ABC):
    """A distribution of images, for several restarts. Its parameters, if it has any, are trained with the networks."""

    @abstractmethod
    def loss(
        self, drawn: Float[Tensor, "restarts n *image"], images: Float[Tensor, "restarts n *image"]
    ) -> Float[Tensor, " restarts"]:
        """Return the negative log-likelihood of images under a decoder's outputs, in nats."""

    @abstractmethod
    def mean(self, drawn: Tensor) -> Tensor:
        """Return the expected images given a decoder's outputs, of any shape."""


class Bernoulli(Likelihood):
    """Values in [0, 1] are probabilities of a 1. The decoder outputs their logits."""

    def loss(self, drawn: Tensor, images: Tensor) -> Tensor:
        """Return the cross-entropy of the images under the logits, in nats per image."""
        return bernoulli_loss(drawn, images)

    def mean(self, drawn: Tensor) -> Tensor:
        """Return the sigmoid of the logits, in [0, 1]."""
        return torch.sigmoid(drawn)


class Gaussian(Likelihood):
    """Values of any size are normal around the decoder's outputs, with one variance for all of them.

    Args:
        restarts: number of restarts.
        config: its variance, which is fixed or learnt separately by every restart.

    """

    def __init__(self, restarts: int, config: GaussianConfig) -> None:
        super().__init__()
        learnt = config.variance == "learnt"
        start = LEARNT_FROM if config.variance == "learnt" else config.variance
        self.logvar = nn.Parameter(torch.full((restarts,), math.log(start)), requires_grad=learnt)

    def loss(self, drawn: Tensor, images: Tensor) -> Tensor:
        """Return ½ ‖x − x̂‖² / σ² + ½ d log(2π σ²) for images of d values."""
        return gaussian_loss(drawn, images, self.logvar)

    def mean(self, drawn: Tensor) -> Tensor:
        """Return the decoder's outputs, which already are the means."""
        return drawn


def likelihood(config: GaussianConfig | None, restarts: int) -> Likelihood:
    """Return the likelihood that a training's config names."""
    return Bernoulli() if config is None else Gaussian(restarts, config)
