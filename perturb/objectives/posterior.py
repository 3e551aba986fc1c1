"""Posteriors: Gaussians over codes, one per image."""

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor


class Posterior(Protocol):
    """One Gaussian per image. Methods without a posterior return the code as `mean`, with a tiny variance."""

    @property
    def mean(self) -> Tensor:
        """(restarts, n, latents), float32: the code that metrics read."""
        ...

    @property
    def logvar(self) -> Tensor:
        """Log of each unit's own variance, (restarts, n, latents)."""
        ...

    def sample(self, noise: Tensor) -> Tensor:
        """Draw one code per image, (restarts, n, latents), from standard normal noise of that shape."""
        ...

    def kl(self) -> Tensor:
        """Return KL(q(z|x) ‖ N(0, I)) in nats, mean over the batch, (restarts,)."""
        ...


@dataclass(frozen=True)
class DiagonalGaussian:
    """A Gaussian given by `mean` and `logvar`, both (restarts, n, latents), float32."""

    mean: Float[Tensor, "restarts n latents"]
    logvar: Float[Tensor, "restarts n latents"]

    def sample(self, noise: Tensor) -> Tensor:
        """Return z = μ + σ · n."""
        return self.mean + torch.exp(self.logvar / 2) * noise

    def kl(self) -> Tensor:
        """Return ½ Σ (μ² + σ² − log σ² − 1)."""
        mean, logvar = self.mean, self.logvar
        return 0.5 * (mean.square() + logvar.exp() - logvar - 1).sum(dim=2).mean(dim=1)


@dataclass(frozen=True)
class FullGaussian:
    """A Gaussian given by `mean`, (restarts, n, latents), and the Cholesky `factor`, (restarts, n, latents, latents)."""

    mean: Float[Tensor, "restarts n latents"]
    factor: Float[Tensor, "restarts n latents latents"]

    @property
    def logvar(self) -> Tensor:
        """Logarithms of the covariance's diagonal."""
        return self.factor.square().sum(dim=3).log()

    def sample(self, noise: Tensor) -> Tensor:
        """Return z = μ + L n (thesis eq. 3.31)."""
        return self.mean + (self.factor @ noise[..., None])[..., 0]

    def kl(self) -> Tensor:
        """Return ½ (‖μ‖² + tr Σ − log det Σ − k) (thesis eq. 3.30)."""
        log_determinant = 2 * self.factor.diagonal(dim1=2, dim2=3).log().sum(dim=2)
        squares = self.mean.square().sum(dim=2) + self.factor.square().sum(dim=(2, 3))
        return 0.5 * (squares - log_determinant - self.mean.shape[2]).mean(dim=1)


def point(mean: Tensor) -> DiagonalGaussian:
    """Return a point posterior: the code with a variance of exp(−20), so that every unit counts as active."""
    return DiagonalGaussian(mean, torch.full_like(mean, -20.0))
