"""m_ψ: factors → one neuron → pattern in [-1, 1] (thesis 4.3.1 and Figure 4.2).

The thesis extends the decoder's input MLP by a hidden layer with a single neuron. Our default reading is: w → 256 ReLU → 1
(linear) → decoder with a one-dimensional input → tanh. `bottleneck` selects other readings. Without the ReLU layer in front,
the neuron could only be a linear projection of w. With a ReLU on the neuron, it could die.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from perturb.config import PerturbationConfig
from perturb.datasets.ground_truth import GroundTruth
from perturb.errors import UserError
from perturb.models import ARCHITECTURES, glorot_uniform_
from perturb.models.layers import Linear
from perturb.perturbation.pooling import COARSE, enlarged

HIDDEN = 256
STANDARDISED_GAIN = 2.0
"""The gain before tanh if the pattern is standardised; most values then come close to ±1."""


class PerturbationNetwork(nn.Module):
    """Network that generates the pattern δ of an image from its factors.

    Args:
        config: Settings of the network's form.
        num_factors: Length of w.
        image_shape: Image shape (height, width, channels).
        architecture: Key in ARCHITECTURES of the decoder that `deconv` extends.
        generator: Generator that draws the initial weights.
        one_sided: Whether δ is in [0, 1] instead of [-1, 1], for black and white images. Reflected at 0 or 1, they only show
            |δ|, so a pattern with both signs would lose the signs and with them most of its variation.

    A control is matched to the trained network through the buffers `scale` and `shift` (of the scalar) and `gain` and
    `offset` (before tanh). The buffer `one_sided` is saved with the weights, so that they determine the pattern's range.

    """

    gain: Tensor
    offset: Tensor
    scale: Tensor
    shift: Tensor
    one_sided: Tensor

    def __init__(
        self,
        config: PerturbationConfig,
        *,
        num_factors: int,
        image_shape: tuple[int, int, int],
        architecture: str,
        generator: torch.Generator,
        one_sided: bool = False,
    ) -> None:
        super().__init__()
        height, _, channels = image_shape
        if config.generator == "deconv" and ARCHITECTURES[architecture].image_size != height:
            drawn = ARCHITECTURES[architecture].image_size
            raise UserError(
                f"the decoder of {architecture} draws {drawn} × {drawn} images, and these are {height} pixels high."
            )
        size = height if config.generator == "deconv" else COARSE
        self.image_side = height
        self.pattern_shape = (size, size, channels)
        """Shape of δ before it is enlarged."""
        layers = list(
            ARCHITECTURES[architecture].decoder(1, channels, 1) if config.generator == "deconv" else _coarse(channels)
        )
        first = layers[0]
        assert isinstance(first, Linear)
        hidden = HIDDEN if config.bottleneck == "between" else first.weight.shape[-1]
        if config.bottleneck == "after":
            second = layers[2]
            assert isinstance(second, Linear)
            first = Linear(1, 1, second.weight.shape[-1])
            layers = [first, *layers[3:]]
        self.squeeze = _squeeze(num_factors, None if config.bottleneck == "before" else hidden)
        self.draw = nn.Sequential(*layers)
        glorot_uniform_(self, generators=[generator])
        if config.spread is not None:
            nn.init.uniform_(first.weight, -config.spread, config.spread, generator=generator)
            nn.init.uniform_(first.bias, -config.spread, config.spread, generator=generator)
        self.standardise = nn.BatchNorm1d(1, affine=False) if config.normalise_scalar else nn.Identity()
        values = nn.BatchNorm1d(size * size * channels, affine=False)
        self.standardise_pattern = values if config.normalise_pattern else nn.Identity()
        self.register_buffer("gain", torch.tensor(STANDARDISED_GAIN if config.normalise_pattern else 1.0))
        self.register_buffer("offset", torch.zeros(self.pattern_shape))
        self.register_buffer("scale", torch.tensor(1.0))
        self.register_buffer("shift", torch.tensor(0.0))
        self.register_buffer("one_sided", torch.tensor(one_sided))

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Load saved weights. Older files lack some buffers: `scale` and `shift` keep their values, `one_sided` is False.

        Raises:
            RuntimeError: If the weights belong to another network.

        """
        missing = {name: getattr(self, name) for name in ("scale", "shift") if name not in weights}
        missing |= {} if "one_sided" in weights else {"one_sided": torch.tensor(False)}
        self.load_state_dict({**weights, **missing})

    def neuron(self, factors: Tensor) -> Tensor:
        """Return the single neuron's value (n, 1) for factors (n, factors) in [-1, 1], before standardisation."""
        return self.squeeze(factors[None])[0]

    def scalar(self, factors: Tensor) -> Tensor:
        """Return the scalar (n, 1) for factors (n, factors) in [-1, 1]: the curve's input, standardised or not."""
        return self.scale * self.standardise(self.neuron(factors)) + self.shift

    def drawn(self, scalar: Tensor) -> Tensor:
        """Return the raw pattern (n, *pattern_shape) for scalars (n, 1), before it is standardised or bounded."""
        return self.draw(scalar[None])[0]

    def coarse_pattern(self, factors: Tensor) -> Tensor:
        """Return δ before it is enlarged, (n, *pattern_shape), in [-1, 1], or in [0, 1] if one-sided."""
        return self.pattern_of(self.scalar(factors))

    def pattern_of(self, scalar: Tensor) -> Tensor:
        """Return δ for scalars (n, 1) before it is enlarged, as `coarse_pattern` does for factors."""
        return self.squashed(self.before_tanh(scalar) - self.offset)

    def squashed(self, raw: Tensor) -> Tensor:
        """Squash values, of any shape, from `before_tanh` minus `offset` into the pattern's range."""
        pattern = torch.tanh(self.gain * raw)
        return (pattern + 1) / 2 if self.one_sided else pattern

    def before_tanh(self, scalar: Tensor) -> Tensor:
        """Return the pattern before offset, gain and tanh, (n, *pattern_shape), for scalars (n, 1)."""
        return self.standardise_pattern(self.drawn(scalar).flatten(1)).unflatten(1, self.pattern_shape)

    def enlarged(self, pattern: Tensor) -> Tensor:
        """Enlarge a pattern to the size of the image; its range stays the same."""
        return enlarged(pattern, self.image_side)

    def forward(self, factors: Tensor) -> Tensor:
        """Return δ, (n, height, width, channels), in [-1, 1], or in [0, 1] if one-sided."""
        return self.enlarged(self.coarse_pattern(factors))


def network_for(
    truth: GroundTruth, config: PerturbationConfig, *, architecture: str, generator: torch.Generator
) -> PerturbationNetwork:
    """Build an untrained m_ψ for the factors and images of a ground truth; arguments as for `PerturbationNetwork`."""
    return PerturbationNetwork(
        config,
        num_factors=truth.grid.num_factors,
        image_shape=truth.image_shape,
        architecture=architecture,
        generator=generator,
        one_sided=truth.binary,
    )


def _squeeze(num_factors: int, hidden: int | None) -> nn.Sequential:
    """Return the layers from the factors to the neuron, with or without a hidden layer."""
    if hidden is None:
        return nn.Sequential(Linear(1, num_factors, 1))
    return nn.Sequential(Linear(1, num_factors, hidden), nn.ReLU(), Linear(1, hidden, 1))


def _coarse(channels: int) -> nn.Sequential:
    return nn.Sequential(
        Linear(1, 1, HIDDEN), nn.ReLU(),
        Linear(1, HIDDEN, HIDDEN), nn.ReLU(),
        Linear(1, HIDDEN, COARSE * COARSE * channels),
        nn.Unflatten(2, (COARSE, COARSE, channels)),
    )  # fmt: skip
