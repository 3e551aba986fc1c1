"""Loss terms. One convention everywhere: sums over pixels and latents, means over the batch, one number a restart.

β and γ have the units of the thesis's Table 4.1 under it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Posterior:
    """A diagonal Gaussian for each image: `mean` and `logvar`, both (restarts, n, latents), float32."""

    mean: Tensor
    logvar: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """One code for each image, (restarts, n, latents), from standard normal noise of that shape: z = μ + σ · n."""
        return self.mean + torch.exp(self.logvar / 2) * noise


def bernoulli_loss(logits: Tensor, images: Tensor) -> Tensor:
    """Cross-entropy of images in [0, 1] under logits, both (restarts, n, ...), in nats: sum over pixels, batch mean.

    With targets that are not 0 or 1 it cannot reach 0: its floor is their entropy.
    """
    per_pixel = functional.softplus(logits) - images * logits
    return per_pixel.flatten(1).sum(dim=1) / logits.shape[1]


def gaussian_kl(posterior: Posterior) -> Tensor:
    """KL(q(z|x) ‖ N(0, I)) summed over latents, mean over the batch, in nats."""
    mean, logvar = posterior.mean, posterior.logvar
    return 0.5 * (mean.square() + logvar.exp() - logvar - 1).sum(dim=2).mean(dim=1)
