"""disentanglement_lib's convolutional encoder and decoder for 64 × 64 images (Locatello et al. 2019).

Kernels 4, 4, 2, 2: the library's comment promises 4 everywhere, its code has 2 in the third and fourth layer, and its
published models were trained with that. TensorFlow's SAME padding is 1 for kernel 4 and 0 for kernel 2, both at stride 2.
"""

from torch import nn

from perturb.models.gaussian_head import GaussianHead


def encoder(channels: int, latents: int) -> nn.Sequential:
    """Images (n, channels, 64, 64) → (n, 2 · latents): means, then log-variances. 306,634 parameters for (1, 5)."""
    return nn.Sequential(
        nn.Conv2d(channels, 32, 4, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 4, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 2, stride=2), nn.ReLU(),
        nn.Conv2d(64, 64, 2, stride=2), nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1024, 256), nn.ReLU(),
        GaussianHead(256, latents),
    )  # fmt: skip


def decoder(channels: int, latents: int) -> nn.Sequential:
    """Codes (n, latents) → logits (n, channels, 64, 64). 380,033 parameters for (1, 5)."""
    return nn.Sequential(
        nn.Linear(latents, 256), nn.ReLU(),
        nn.Linear(256, 1024), nn.ReLU(),
        nn.Unflatten(1, (64, 4, 4)),
        nn.ConvTranspose2d(64, 64, 4, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(32, channels, 4, stride=2, padding=1),
    )  # fmt: skip
