"""The table of architectures, and their interface."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from perturb.models import conv32, conv64, mlp


@dataclass(frozen=True)
class Architecture:
    """A matching encoder and decoder, both built from (restarts, channels, latents).

    The encoder maps images (restarts, n, size, size, channels) to (restarts, n, 2 · latents): means, then log-variances; the
    decoder maps codes (restarts, n, latents) to logits, or to the means of a Gaussian likelihood, (restarts, n, size, size,
    channels). A decoder's first two layers are a dense layer and its activation; `linear` has no hidden layers.
    """

    image_size: int
    """Height and width of an image; 1 for vectors, which are images of one pixel with one channel per value."""
    encoder: Callable[[int, int, int], nn.Sequential]
    decoder: Callable[[int, int, int], nn.Sequential]
    restarts_a_core: int = 1
    """Number of restarts that a CPU core trains fastest side by side in bfloat16 (benchmarks/README.md)."""

    def default_stack(self, precision: str) -> int:
        """Return the number of restarts to train side by side on a CPU core.

        1 in float32: batched matrix products round differently at other batch sizes, which would break bit-exact resume.
        bfloat16 is not affected.
        """
        return self.restarts_a_core if precision == "bfloat16" else 1


ARCHITECTURES = {
    "conv64": Architecture(64, conv64.encoder, conv64.decoder),
    "conv32": Architecture(32, conv32.encoder, conv32.decoder, restarts_a_core=3),
    "mlp64": Architecture(64, mlp.encoder(64, (1200, 1200)), mlp.decoder(64, (1200, 1200, 1200))),
    "mlp28": Architecture(28, mlp.encoder(28, (400,)), mlp.decoder(28, (500, 500))),
    "mlp_vectors": Architecture(1, mlp.encoder(1, (60, 40, 20), nn.Tanh), mlp.decoder(1, (60, 40, 20))),
    "linear": Architecture(1, mlp.encoder(1), mlp.decoder(1)),
}
"""Architectures by TrainingConfig.architecture. The last four are those of the thesis's Table 3.1 for dSprites, for MNIST
and FashionMNIST, and for the non-linear and the linear synthetic set."""
