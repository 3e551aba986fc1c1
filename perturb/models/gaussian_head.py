"""The last layer of an encoder."""

import torch
from torch import Tensor, nn

from perturb.models.layers import Linear


class GaussianHead(nn.Module):
    """Two dense layers side by side, one for the means and one for the log-variances of a diagonal Gaussian."""

    def __init__(self, restarts: int, features: int, latents: int) -> None:
        super().__init__()
        self.mean = Linear(restarts, features, latents)
        self.logvar = Linear(restarts, features, latents)

    def forward(self, features: Tensor) -> Tensor:
        """(restarts, n, features) → (restarts, n, 2 · latents): means, then log-variances (unclipped)."""
        return torch.cat([self.mean(features), self.logvar(features)], dim=2)
