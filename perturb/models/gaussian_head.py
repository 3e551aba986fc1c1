"""Last layers of encoders."""

import torch
from torch import Tensor, nn

from perturb.models.layers import Linear


class GaussianHead(nn.Module):
    """Two dense layers side by side, one for the means and one for the log-variances of a diagonal Gaussian."""

    def __init__(self, restarts: int, features: int, latents: int) -> None:
        super().__init__()
        self.features = features
        self.mean = Linear(restarts, features, latents)
        self.logvar = Linear(restarts, features, latents)

    def forward(self, features: Tensor) -> Tensor:
        """Map (restarts, n, features) to (restarts, n, 2 · latents): means, then log-variances (unclipped)."""
        return torch.cat([self.mean(features), self.logvar(features)], dim=2)


class FullGaussianHead(nn.Module):
    """A Gaussian head with a third dense layer, for the entries below the diagonal of the covariance's Cholesky factor.

    The diagonal is exp(logvar / 2), so the diagonal head is the special case with zeros below it.
    """

    def __init__(self, restarts: int, features: int, latents: int) -> None:
        super().__init__()
        self.diagonal = GaussianHead(restarts, features, latents)
        self.below = Linear(restarts, features, latents * (latents - 1) // 2)

    def forward(self, features: Tensor) -> Tensor:
        """Map (restarts, n, features) to (restarts, n, 2 · latents + latents · (latents − 1) / 2)."""
        return torch.cat([self.diagonal(features), self.below(features)], dim=2)
