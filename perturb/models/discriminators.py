"""Discriminators of codes."""

from itertools import pairwise

from torch import nn

from perturb.models.layers import Linear

WIDTH, DEPTH = 1000, 6


def code_discriminator(restarts: int, latents: int) -> nn.Sequential:
    """FactorVAE's: codes (restarts, n, latents) → two logits, "from the posterior" and "permuted" (Kim and Mnih 2018).

    Slope 0.2, TensorFlow's default, as in disentanglement_lib. 5,013,002 parameters for five latents.
    """
    sizes = [latents, *[WIDTH] * DEPTH]
    hidden = [layer for a, b in pairwise(sizes) for layer in (Linear(restarts, a, b), nn.LeakyReLU(0.2))]
    return nn.Sequential(*hidden, Linear(restarts, WIDTH, 2))
