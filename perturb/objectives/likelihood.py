"""Likelihoods: the law of an image under what a decoder draws of its code.

Every loss is a negative log-likelihood in nats per image with all its constants: a sum over pixels, or over a vector's
values, a mean over the batch, one number a restart.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from perturb.config.training import GaussianConfig
from perturb.objectives.losses import bernoulli_loss, gaussian_loss

LEARNT_FROM = 1.0
"""Variance at which a learnt one starts."""


class Likelihood(nn.Module, ABC):
    """A law of images, for some restarts; its weights, if it has any, are trained with the networks."""

    @abstractmethod
    def loss(
        self, drawn: Float[Tensor, "restarts n *image"], images: Float[Tensor, "restarts n *image"]
    ) -> Float[Tensor, " restarts"]:
        """Negative log-likelihood of images under a decoder's outputs, in nats."""

    @abstractmethod
    def mean(self, drawn: Tensor) -> Tensor:
        """Expected images of a decoder's outputs, of any shape."""


class Bernoulli(Likelihood):
    """Values in [0, 1] are probabilities of a 1; a decoder draws their logits."""

    def loss(self, drawn: Tensor, images: Tensor) -> Tensor:
        """Cross-entropy of the images under the drawn logits, in nats per image."""
        return bernoulli_loss(drawn, images)

    def mean(self, drawn: Tensor) -> Tensor:
        """Sigmoid of the logits, in [0, 1]."""
        return torch.sigmoid(drawn)


class Gaussian(Likelihood):
    """Values of any size are normal, with one variance, about means that a decoder draws.

    Args:
        restarts: of the objective.
        config: its variance, fixed or learnt by every restart for itself.

    """

    def __init__(self, restarts: int, config: GaussianConfig) -> None:
        super().__init__()
        learnt = config.variance == "learnt"
        start = LEARNT_FROM if config.variance == "learnt" else config.variance
        self.logvar = nn.Parameter(torch.full((restarts,), math.log(start)), requires_grad=learnt)

    def loss(self, drawn: Tensor, images: Tensor) -> Tensor:
        """½ ‖x − x̂‖² / σ² + ½ d log(2π σ²) of images of d values."""
        return gaussian_loss(drawn, images, self.logvar)

    def mean(self, drawn: Tensor) -> Tensor:
        """Return what a decoder draws, which is the mean already."""
        return drawn


def likelihood(config: GaussianConfig | None, restarts: int) -> Likelihood:
    """The likelihood that a training's config asks for."""
    return Bernoulli() if config is None else Gaussian(restarts, config)
