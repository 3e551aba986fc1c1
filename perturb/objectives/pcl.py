"""Permutation-contrastive learning (Hyvärinen and Morioka 2017), adapted to images.

The authors' network is an MLP on mixed signals. Here the features come from the convolutional encoder and a batch norm, the
pairs from SlowVAE's sampler, and the negatives from permuting second images within the batch; Adam replaces SGD. The
contrastive head is the authors'. No labels are used, but the pairs are drawn according to factors.
"""

import torch
from torch import Tensor, nn

from perturb.config.objectives import PCLConfig
from perturb.datasets import FactorGrid
from perturb.models.gaussian_head import GaussianHead
from perturb.models.normalisation import BatchNorm
from perturb.objectives.losses import binary_loss
from perturb.objectives.objective import MinimisedObjective
from perturb.objectives.pairs import drawn_pairs
from perturb.objectives.posterior import DiagonalGaussian, point
from perturb.random.philox import StepRNG


class ContrastiveHead(nn.Module):
    """The log-odds that two feature vectors are neighbours.

    They are −Σ_i |v_i h_i(x) + w_i h_i(x′) + b_i| + a · Σ_i h_i(x)² + c, with a ≥ 0.
    """

    def __init__(self, restarts: int, latents: int) -> None:
        super().__init__()
        self.present = nn.Parameter(torch.ones(restarts, latents))
        self.other = nn.Parameter(-torch.ones(restarts, latents))
        self.shift = nn.Parameter(torch.zeros(restarts, latents))
        self.square = nn.Parameter(torch.ones(restarts))
        self.constant = nn.Parameter(torch.zeros(restarts))

    def forward(self, present: Tensor, other: Tensor) -> Tensor:
        """Return logits (restarts, n) of features (restarts, n, latents)."""
        mixed = self.present[:, None] * present + self.other[:, None] * other + self.shift[:, None]
        energy = self.square[:, None] * present.square().sum(dim=2)
        return energy + self.constant[:, None] - mixed.abs().sum(dim=2)


class PCL(MinimisedObjective[PCLConfig]):
    """Learns to tell real pairs from permuted ones. The code is the features, before any absolute value."""

    def new_networks(self, restarts: int, channels: int, latents: int) -> dict[str, nn.Module]:
        """Build the encoder, a batch norm of its means, and the contrastive head."""
        encoder = super().new_networks(restarts, channels, latents)["encoder"]
        assert isinstance(encoder, nn.Sequential)
        head = encoder[-1]
        assert isinstance(head, GaussianHead)
        # The batch norm removes any bias. Its gradient would be rounding errors, which Adam would turn into steps.
        head.mean.bias.requires_grad_(False)
        return {"encoder": encoder, "norm": BatchNorm(restarts, latents), "head": ContrastiveHead(restarts, latents)}

    def batch(self, draws: StepRNG, grid: FactorGrid, size: int) -> Tensor:
        """Draw pairs of images from the config's distribution."""
        return torch.cat(drawn_pairs(grid, draws, size // 2, self.config.pairs), dim=1)

    def posterior(self, images: Tensor) -> DiagonalGaussian:
        """Return the features as a point posterior."""
        return point(self.networks["norm"](super().posterior(images).mean))

    def losses(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """Return `loss` (mean of both classes), `real` and `permuted`, in nats per pair."""
        first, second = self.posterior(images).mean.chunk(2, dim=1)
        order = draws.permutations("negatives", 1, first.shape[1]).transpose(1, 2)
        wrong = second.gather(1, order.expand_as(second))
        head = self.networks["head"]
        real, permuted = binary_loss(head(first, second), positive=True), binary_loss(head(first, wrong), positive=False)
        return {"loss": (real + permuted) / 2, "real": real, "permuted": permuted}

    def update(self, images: Tensor, draws: StepRNG) -> dict[str, Tensor]:
        """Take one step, then clamp the head's factor a to at least 0."""
        terms = super().update(images, draws)
        head = self.networks["head"]
        assert isinstance(head, ContrastiveHead)
        with torch.no_grad():
            head.square.clamp_(min=0)
        return terms
