"""Fully connected encoders and decoders for images and vectors: the networks of the thesis's Table 3.1.

As there, only hidden layers have nonlinearities, and every layer has biases. A vector of d values is an image of one pixel
with d channels, (restarts, n, 1, 1, d), so that everything that takes images also takes vectors.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

from perturb.models.gaussian_head import GaussianHead
from perturb.models.layers import Linear, ReLU

Network = Callable[[int, int, int], nn.Sequential]
"""Builder of an encoder or a decoder from (restarts, channels, latents)."""


def encoder(size: int, hidden: Sequence[int] = (), activation: type[nn.Module] = ReLU) -> Network:
    """Return a builder of encoders: images (restarts, n, size, size, channels) → (restarts, n, 2 · latents).

    The outputs are means, then log-variances.

    Args:
        size: of the images, in pixels; 1 for vectors.
        hidden: widths of the hidden layers, from the image to the code. If empty, the code is linear in the image.
        activation: after each hidden layer.

    """

    def build(restarts: int, channels: int, latents: int) -> nn.Sequential:
        widths = [size * size * channels, *hidden]
        layers = _hidden(restarts, widths, activation)
        return nn.Sequential(nn.Flatten(start_dim=2), *layers, GaussianHead(restarts, widths[-1], latents))

    return build


def decoder(size: int, hidden: Sequence[int] = (), activation: type[nn.Module] = nn.Tanh) -> Network:
    """Return a builder of decoders: codes (restarts, n, latents) → logits or means (restarts, n, size, size, channels).

    Args:
        size: of the images, in pixels; 1 for vectors.
        hidden: widths of the hidden layers, from the code to the image.
        activation: after each hidden layer.

    """

    def build(restarts: int, channels: int, latents: int) -> nn.Sequential:
        widths = [latents, *hidden]
        last = Linear(restarts, widths[-1], size * size * channels)
        return nn.Sequential(*_hidden(restarts, widths, activation), last, nn.Unflatten(2, (size, size, channels)))

    return build


def _hidden(restarts: int, widths: Sequence[int], activation: type[nn.Module]) -> list[nn.Module]:
    return [layer for a, b in pairwise(widths) for layer in (Linear(restarts, a, b), activation())]
