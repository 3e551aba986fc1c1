"""m_ψ: factors → one neuron → pattern in [-1, 1] (thesis 4.3.1 and Figure 4.2).

The text extends the decoder's input MLP by a hidden layer of a single neuron. By default we read: w → 256 ReLU → 1 (linear)
→ decoder with a one-dimensional input → tanh; `bottleneck` has the other readings. Without the ReLU layer in front, the
neuron could only be a linear projection of w; with a ReLU on the neuron, it could die.
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
"""The gain before tanh, where the pattern is standardised: most values then come close to ±1."""


class PerturbationNetwork(nn.Module):
    """Draws the pattern δ of an image from its factors.

    Args:
        config: form of the network.
        num_factors: length of w.
        image_shape: (height, width, channels).
        architecture: key in ARCHITECTURES whose decoder `deconv` extends.
        generator: draws the initial weights.
        one_sided: whether δ is in [0, 1] and not in [-1, 1], for images that are black and white: mirrored at 0 or 1 they
            only show |δ|, so that a pattern of both signs would lose them, and with them most of what varies.

    Its buffers `scale` and `shift` (of the scalar) and `gain` and `offset` (before tanh) are the handles by which a control
    is matched to the trained network. The buffer `one_sided` lets the weights alone say what the pattern's range is.

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
        """Take over saved weights; a handle that they lack keeps its value, as it had before there was one.

        Raises:
            RuntimeError: they are another network's.

        """
        missing = {name: getattr(self, name) for name in ("scale", "shift") if name not in weights}
        missing |= {} if "one_sided" in weights else {"one_sided": torch.tensor(False)}
        self.load_state_dict({**weights, **missing})

    def neuron(self, factors: Tensor) -> Tensor:
        """The single neuron, (n, 1), of factors (n, factors) in [-1, 1], before it is standardised."""
        return self.squeeze(factors[None])[0]

    def scalar(self, factors: Tensor) -> Tensor:
        """The scalar, (n, 1), of factors (n, factors) in [-1, 1]: the neuron, standardised or not, as the curve gets it."""
        return self.scale * self.standardise(self.neuron(factors)) + self.shift

    def drawn(self, scalar: Tensor) -> Tensor:
        """The pattern, (n, *pattern_shape), of scalars (n, 1), before anything standardises or bounds it."""
        return self.draw(scalar[None])[0]

    def coarse_pattern(self, factors: Tensor) -> Tensor:
        """δ before it is enlarged, (n, *pattern_shape), in [-1, 1], or one-sided in [0, 1]."""
        return self.pattern_of(self.scalar(factors))

    def pattern_of(self, scalar: Tensor) -> Tensor:
        """δ of scalars (n, 1) before it is enlarged, as `coarse_pattern`."""
        return self.squashed(self.before_tanh(scalar) - self.offset)

    def squashed(self, raw: Tensor) -> Tensor:
        """Return what `before_tanh` and `offset` leave, of any shape, brought into the pattern's range."""
        pattern = torch.tanh(self.gain * raw)
        return (pattern + 1) / 2 if self.one_sided else pattern

    def before_tanh(self, scalar: Tensor) -> Tensor:
        """Return what tanh bounds, (n, *pattern_shape), before gain and offset, of scalars (n, 1)."""
        return self.standardise_pattern(self.drawn(scalar).flatten(1)).unflatten(1, self.pattern_shape)

    def enlarged(self, pattern: Tensor) -> Tensor:
        """A pattern at the size of the image; the bound is not touched."""
        return enlarged(pattern, self.image_side)

    def forward(self, factors: Tensor) -> Tensor:
        """δ, (n, height, width, channels), in [-1, 1], or one-sided in [0, 1]."""
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
        one_sided=truth.binary,
    )


def _squeeze(num_factors: int, hidden: int | None) -> nn.Sequential:
    """The layers from the factors to the neuron, by a hidden layer or without one."""
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
