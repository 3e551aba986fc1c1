"""Fully connected encoders and decoders, of images and of vectors: the networks of the thesis's Table 3.1.

Nonlinearities stand in the hidden layers only, and every layer has biases, as there. A vector of d values is an image of one
pixel with d channels, (restarts, n, 1, 1, d), so that whatever takes images takes vectors.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

from perturb.models.gaussian_head import GaussianHead
from perturb.models.layers import Linear, ReLU

Network = Callable[[int, int, int], nn.Sequential]
"""Build an encoder or a decoder of (restarts, channels, latents)."""


def encoder(size: int, hidden: Sequence[int] = (), activation: type[nn.Module] = ReLU) -> Network:
    """Images (restarts, n, size, size, channels) → (restarts, n, 2 · latents): means, then log-variances.

    Args:
        size: of the images, in pixels; 1 for vectors.
        hidden: widths of the hidden layers, from the image to the code; none: the code is linear in the image.
        activation: after each of them.

    """

    def build(restarts: int, channels: int, latents: int) -> nn.Sequential:
        widths = [size * size * channels, *hidden]
        layers = _hidden(restarts, widths, activation)
        return nn.Sequential(nn.Flatten(start_dim=2), *layers, GaussianHead(restarts, widths[-1], latents))

    return build


def decoder(size: int, hidden: Sequence[int] = (), activation: type[nn.Module] = nn.Tanh) -> Network:
    """Codes (restarts, n, latents) → logits or means of images, (restarts, n, size, size, channels).

    Args:
        size: of the images, in pixels; 1 for vectors.
        hidden: widths of the hidden layers, from the code to the image.
        activation: after each of them.

    """

    def build(restarts: int, channels: int, latents: int) -> nn.Sequential:
        widths = [latents, *hidden]
        last = Linear(restarts, widths[-1], size * size * channels)
        return nn.Sequential(*_hidden(restarts, widths, activation), last, nn.Unflatten(2, (size, size, channels)))

    return build


def _hidden(restarts: int, widths: Sequence[int], activation: type[nn.Module]) -> list[nn.Module]:
    return [layer for a, b in pairwise(widths) for layer in (Linear(restarts, a, b), activation())]
