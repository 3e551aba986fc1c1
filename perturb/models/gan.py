"""Generator, discriminator and encoder of the weakly supervised GAN, as in Shu et al.'s code ("weak_disentangle", 2020).

Each network has four convolutions for 64 × 64 images, and fewer for smaller images: encoder and discriminator keep the
widths nearest to the code, and the generator leaves out its first transposed convolutions.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from perturb.models.layers import Conv, Deconv, Linear
from perturb.models.normalisation import BatchNorm

SLOPE = 0.2
SMALLEST = 4
"""Side of the image at the end of the convolutions."""
ENCODER_WIDTHS = 32, 32, 64, 64
DISCRIMINATOR_WIDTHS = 32, 32, 64, 64
DISCRIMINATOR_HIDDEN = 128
NORM_EPSILON = 1e-3
"""Added to the squared norms of the discriminator's class vectors."""


def generator(restarts: int, channels: int, latents: int, size: int) -> nn.Sequential:
    """Build the generator: codes (restarts, n, latents) → logits of images (restarts, n, size, size, channels).

    Batch norms come after activations.
    """
    stages = _stages(size)
    widths = [64, *(64, 32, 32)[-(stages - 1) :]]
    features = SMALLEST**2 * widths[0]
    layers = nn.Sequential(
        Linear(restarts, latents, 128), nn.ReLU(), BatchNorm(restarts, 128),
        Linear(restarts, 128, features), nn.ReLU(), BatchNorm(restarts, features),
        nn.Unflatten(2, (SMALLEST, SMALLEST, widths[0])),
    )  # fmt: skip
    for a, b in pairwise(widths):
        layers.extend([Deconv(restarts, a, b), nn.LeakyReLU(SLOPE), BatchNorm(restarts, b)])
    return layers.append(Deconv(restarts, widths[-1], channels))


class PairDiscriminator(nn.Module):
    """Judges whether two images are real and share the factor that their label names. `width` multiplies the units."""

    def __init__(self, restarts: int, channels: int, classes: int, size: int, *, width: int) -> None:
        super().__init__()
        hidden, widths = width * DISCRIMINATOR_HIDDEN, [width * units for units in DISCRIMINATOR_WIDTHS[-_stages(size) :]]
        self.body = _convolutions(restarts, channels, widths)
        features = SMALLEST**2 * widths[-1]
        self.body.extend([nn.Flatten(2), Linear(restarts, features, hidden, spectral=True), nn.LeakyReLU(SLOPE)])
        self.neck = nn.Sequential(
            Linear(restarts, 2 * hidden, hidden, spectral=True), nn.LeakyReLU(SLOPE),
            Linear(restarts, hidden, hidden, spectral=True), nn.LeakyReLU(SLOPE),
        )  # fmt: skip
        self.unconditional = Linear(restarts, hidden, 1, bias=False, spectral=True)
        self.classes = Linear(restarts, classes, hidden, bias=False)

    def forward(self, first: Tensor, second: Tensor, shared: Tensor) -> Tensor:
        """Return logits (restarts, n) of images (restarts, n, size, size, channels) and factor numbers (restarts, n)."""
        features = self.body(torch.cat([first, second], dim=1))
        features = self.neck(torch.cat(features.chunk(2, dim=1), dim=2))
        vectors = self.classes.weight
        vectors = vectors * torch.rsqrt(vectors.square().sum(dim=2, keepdim=True) + NORM_EPSILON)
        chosen = vectors.gather(1, shared[..., None].expand(-1, -1, vectors.shape[2]))
        return self.unconditional(features)[..., 0].float() + (features.float() * chosen).sum(dim=2)


def image_encoder(restarts: int, channels: int, latents: int, size: int) -> nn.Sequential:
    """Build the encoder: images (restarts, n, size, size, channels) → (restarts, n, 2 · latents).

    Its outputs are means, then scales before the softplus.
    """
    layers = _convolutions(restarts, channels, ENCODER_WIDTHS[-_stages(size) :])
    features = SMALLEST**2 * ENCODER_WIDTHS[-1]
    return layers.extend([
        nn.Flatten(2),
        Linear(restarts, features, 128, spectral=True), nn.LeakyReLU(SLOPE),
        Linear(restarts, 128, 2 * latents, spectral=True),
    ])  # fmt: skip


def _convolutions(restarts: int, channels: int, widths: Sequence[int]) -> nn.Sequential:
    layers = nn.Sequential()
    for a, b in pairwise((channels, *widths)):
        layers.extend([Conv(restarts, a, b, 4, spectral=True), nn.LeakyReLU(SLOPE)])
    return layers


def _stages(size: int) -> int:
    """Return the number of halvings from an image to 4 × 4."""
    return int(math.log2(size // SMALLEST))
