"""The smaller twin of conv64 for 32 × 32 images: one stage and half of the channels less, the same kernels and layout.

Ours, not from a paper: cheap enough that a laptop trains dozens of models in minutes.
"""

from torch import nn

from perturb.models.gaussian_head import GaussianHead


def encoder(channels: int, latents: int) -> nn.Sequential:
    """Images (n, channels, 32, 32) → (n, 2 · latents): means, then log-variances."""
    return nn.Sequential(
        nn.Conv2d(channels, 16, 4, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 2, stride=2), nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 128), nn.ReLU(),
        GaussianHead(128, latents),
    )  # fmt: skip


def decoder(channels: int, latents: int) -> nn.Sequential:
    """Codes (n, latents) → logits (n, channels, 32, 32)."""
    return nn.Sequential(
        nn.Linear(latents, 128), nn.ReLU(),
        nn.Linear(128, 512), nn.ReLU(),
        nn.Unflatten(1, (32, 4, 4)),
        nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(16, channels, 4, stride=2, padding=1),
    )  # fmt: skip
