"""m_ψ: factors → one neuron → pattern in [-1, 1] (thesis 4.3.1 and Figure 4.2).

The text extends the decoder's input MLP by a hidden layer of a single neuron. We read: w → 256 ReLU → 1 (linear) → decoder
with a one-dimensional input → tanh. Without the ReLU layer in front, the neuron could only be a linear projection of w;
with a ReLU on the neuron, it could die.
"""

import torch
from torch import Tensor, nn

from perturb.config import PerturbationConfig
from perturb.datasets.ground_truth import GroundTruth
from perturb.models import ARCHITECTURES, glorot_uniform_
from perturb.models.layers import Linear
from perturb.perturbation.pooling import COARSE, enlarged

HIDDEN = 256
STANDARDISED_GAIN = 2.0
"""Before tanh, where the pattern is standardised: most values then come close to ±1."""


class PerturbationNetwork(nn.Module):
    """Draws the pattern δ of an image from its factors.

    Args:
        config: form of the network.
        num_factors: length of w.
        image_shape: (height, width, channels).
        architecture: key in ARCHITECTURES whose decoder `deconv` extends.
        generator: draws the initial weights.

    Its buffers `gain` and `offset` are the handles by which the untrained control is brought to a variance.

    """

    def __init__(
        self,
        config: PerturbationConfig,
        *,
        num_factors: int,
        image_shape: tuple[int, int, int],
        architecture: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        height, _, channels = image_shape
        size = height if config.generator == "deconv" else COARSE
        self.image_side = height
        self.pattern_shape = (size, size, channels)
        """Of δ before it is enlarged."""
        self.squeeze = nn.Sequential(Linear(1, num_factors, HIDDEN), nn.ReLU(), Linear(1, HIDDEN, 1))
        if config.generator == "deconv":
            self.draw = ARCHITECTURES[architecture].decoder(1, channels, 1)
        else:
            self.draw = _coarse(channels)
        glorot_uniform_(self, generators=[generator])
        if config.spread is not None:
            first = self.draw[0]
            nn.init.uniform_(first.weight, -config.spread, config.spread, generator=generator)
            nn.init.uniform_(first.bias, -config.spread, config.spread, generator=generator)
        self.standardise = nn.BatchNorm1d(1, affine=False) if config.normalise_scalar else nn.Identity()
        values = nn.BatchNorm1d(size * size * channels, affine=False)
        self.standardise_pattern = values if config.normalise_pattern else nn.Identity()
        self.register_buffer("gain", torch.tensor(STANDARDISED_GAIN if config.normalise_pattern else 1.0))
        self.register_buffer("offset", torch.zeros(self.pattern_shape))

    def neuron(self, factors: Tensor) -> Tensor:
        """The single neuron, (n, 1), of factors (n, factors) in [-1, 1], before it is standardised."""
        return self.squeeze(factors[None])[0]

    def scalar(self, factors: Tensor) -> Tensor:
        """The single neuron, (n, 1), of factors (n, factors) in [-1, 1]."""
        return self.standardise(self.neuron(factors))

    def drawn(self, scalar: Tensor) -> Tensor:
        """The pattern, (n, *pattern_shape), of scalars (n, 1), before anything standardises or bounds it."""
        return self.draw(scalar[None])[0]

    def coarse_pattern(self, factors: Tensor) -> Tensor:
        """δ before it is enlarged, (n, *pattern_shape), in [-1, 1]."""
        return self.pattern_of(self.scalar(factors))

    def pattern_of(self, scalar: Tensor) -> Tensor:
        """The same of scalars (n, 1)."""
        return torch.tanh(self.gain * (self.before_tanh(scalar) - self.offset))

    def before_tanh(self, scalar: Tensor) -> Tensor:
        """What tanh bounds, (n, *pattern_shape), before gain and offset, of scalars (n, 1)."""
        return self.standardise_pattern(self.drawn(scalar).flatten(1)).unflatten(1, self.pattern_shape)

    def enlarged(self, pattern: Tensor) -> Tensor:
        """A pattern at the size of the image; the bound is not touched."""
        return enlarged(pattern, self.image_side)

    def forward(self, factors: Tensor) -> Tensor:
        """δ, (n, height, width, channels), in [-1, 1]."""
        return self.enlarged(self.coarse_pattern(factors))


def network_for(
    truth: GroundTruth, config: PerturbationConfig, *, architecture: str, generator: torch.Generator
) -> PerturbationNetwork:
    """m_ψ for the factors and the images of a ground truth, before its training; arguments as the network's own."""
    return PerturbationNetwork(
        config,
        num_factors=truth.grid.num_factors,
        image_shape=truth.image_shape,
        architecture=architecture,
        generator=generator,
    )


def _coarse(channels: int) -> nn.Sequential:
    return nn.Sequential(
        Linear(1, 1, HIDDEN), nn.ReLU(),
        Linear(1, HIDDEN, HIDDEN), nn.ReLU(),
        Linear(1, HIDDEN, COARSE * COARSE * channels),
        nn.Unflatten(2, (COARSE, COARSE, channels)),
    )  # fmt: skip
