"""disentanglement_lib's convolutional encoder and decoder for 64 × 64 images (Locatello et al. 2019).

Kernels are 4, 4, 2, 2. A comment in the library promises 4 everywhere, but its code has 2 in the third and fourth layers,
and its published models were trained that way. TensorFlow's SAME padding is 1 for kernel 4 and 0 for kernel 2, both at
stride 2.
"""

from torch import nn

from perturb.models.gaussian_head import GaussianHead
from perturb.models.layers import Conv, Deconv, Linear, ReLU


def encoder(restarts: int, channels: int, latents: int) -> nn.Sequential:
    """Build the encoder: images (restarts, n, 64, 64, channels) → (restarts, n, 2 · latents), means, then log-variances.

    It has 306,634 parameters for (1, 1, 5).
    """
    return nn.Sequential(
        Conv(restarts, channels, 32, 4), ReLU(),
        Conv(restarts, 32, 32, 4), ReLU(),
        Conv(restarts, 32, 64, 2), ReLU(),
        Conv(restarts, 64, 64, 2), ReLU(),
        nn.Flatten(start_dim=2),
        Linear(restarts, 1024, 256), ReLU(),
        GaussianHead(restarts, 256, latents),
    )  # fmt: skip


def decoder(restarts: int, channels: int, latents: int) -> nn.Sequential:
    """Build the decoder: codes (restarts, n, latents) → logits (restarts, n, 64, 64, channels).

    It has 380,033 parameters for (1, 1, 5).
    """
    return nn.Sequential(
        Linear(restarts, latents, 256), ReLU(),
        Linear(restarts, 256, 1024), ReLU(),
        nn.Unflatten(2, (4, 4, 64)),
        Deconv(restarts, 64, 64), ReLU(),
        Deconv(restarts, 64, 32), ReLU(),
        Deconv(restarts, 32, 32), ReLU(),
        Deconv(restarts, 32, channels),
    )  # fmt: skip
