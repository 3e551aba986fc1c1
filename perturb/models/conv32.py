"""A smaller version of conv64 for 32 × 32 images: one stage less and half the channels, the same kernels and layout.

It is ours, not from a paper, and cheap enough to train dozens of models on a laptop in minutes.
"""

from torch import nn

from perturb.models.gaussian_head import GaussianHead
from perturb.models.layers import Conv, Deconv, Linear, ReLU


def encoder(restarts: int, channels: int, latents: int) -> nn.Sequential:
    """Build the encoder: images (restarts, n, 32, 32, channels) → (restarts, n, 2 · latents), means, then log-variances."""
    return nn.Sequential(
        Conv(restarts, channels, 16, 4), ReLU(),
        Conv(restarts, 16, 32, 4), ReLU(),
        Conv(restarts, 32, 32, 2), ReLU(),
        nn.Flatten(start_dim=2),
        Linear(restarts, 512, 128), ReLU(),
        GaussianHead(restarts, 128, latents),
    )  # fmt: skip


def decoder(restarts: int, channels: int, latents: int) -> nn.Sequential:
    """Build the decoder: codes (restarts, n, latents) → logits (restarts, n, 32, 32, channels)."""
    return nn.Sequential(
        Linear(restarts, latents, 128), ReLU(),
        Linear(restarts, 128, 512), ReLU(),
        nn.Unflatten(2, (4, 4, 32)),
        Deconv(restarts, 32, 32), ReLU(),
        Deconv(restarts, 32, 16), ReLU(),
        Deconv(restarts, 16, channels),
    )  # fmt: skip
