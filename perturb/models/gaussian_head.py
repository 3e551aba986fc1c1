"""The last layer of an encoder."""

import torch
from torch import Tensor, nn


class GaussianHead(nn.Module):
    """Two dense layers side by side, one for the means and one for the log-variances of a diagonal Gaussian."""

    def __init__(self, features: int, latents: int) -> None:
        super().__init__()
        self.mean = nn.Linear(features, latents)
        self.logvar = nn.Linear(features, latents)

    def forward(self, features: Tensor) -> Tensor:
        """(n, features) → (n, 2 · latents): means, then log-variances (unclipped)."""
        return torch.cat([self.mean(features), self.logvar(features)], dim=1)
