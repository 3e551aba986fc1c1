"""How the perturbation network m_ψ is built and trained (thesis 4.2.4 and 4.3.1)."""

from typing import Literal

from pydantic import Field

from perturb.config.section import Section


class PerturbationConfig(Section):
    """m_ψ: factors → one neuron → image, trained so that the entangled codes explain its pattern better.

    The defaults are the thesis's where it states them; what it leaves open is a field.
    """

    form: Literal["literal", "residual"] = "literal"
    """`literal`: the trained decoders reconstruct x′ (thesis 4.2.4). `residual`: a fresh small network per model predicts
    only δ = (x′ − x)/ε before reflection; the same objective less the part that does not depend on ψ."""
    epsilon: float = Field(gt=0, lt=1)
    """Largest change of a pixel, with pixels in [0, 1] (0.1 for dSprites, 0.175 for Shapes3D)."""
    steps: int = Field(default=30_000, ge=1)
    """Updates of m_ψ."""
    decoder_steps: int = Field(default=3, ge=1)
    """Updates of the decoders for each update of m_ψ, every one on a batch of its own."""
    batch_size: int = Field(default=64, ge=2)
    """Images in a batch."""
    latent_samples: int = Field(default=5, ge=1)
    """Codes drawn from the frozen posterior for each image."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Adam's learning rate for m_ψ."""
    decoder_learning_rate: float = Field(default=1e-4, gt=0)
    """Adam's learning rate for the decoders."""
    generator: Literal["deconv", "coarse"] = "deconv"
    """`deconv`: the decoder of the models, its input MLP extended by the one neuron. `coarse`: an MLP that draws the
    pattern on an 8 × 8 grid, enlarged to the image."""
    bottleneck: Literal["before", "after", "between"] = Field(default="between", exclude_if=lambda place: place == "between")
    """Where the neuron sits. Thesis 4.3.1: "the only difference lies in the input MLP, which was extended by a single neuron
    hidden layer". The decoder's input MLP is z → 256 → 1024 (half of each in conv32, 256 → 256 in `coarse`), and the text
    allows three readings. `before`: w → 1 → 256 → 1024, taken literally; the scalar is a linear function of the factors.
    `after`: w → 256 → 1 → 1024, which adds exactly one layer. `between`: w → 256 → 1 → 256 → 1024, the neuron before a whole
    decoder and any function of the factors."""
    normalise_scalar: bool = False
    """Standardise the single neuron over the batch, so that it cannot run into one end."""
    normalise_pattern: bool = False
    """Standardise every value of the pattern over the batch before tanh, so that none can stay at one end."""
    spread: float | None = Field(default=None, gt=0)
    """Weights and biases of the layer after the neuron start uniform in ± this; None: Glorot and zero."""
    bound: Literal["reflect", "clip"] = "reflect"
    """How x + ε·m is brought back into [0, 1]."""


class CollapseConfig(Section):
    """What to do about a pattern that cannot change which codes are cheap: nearly constant, or along a single factor."""

    min_variation: float = Field(default=0.05, ge=0, lt=1)
    """The pattern has collapsed when less than this share of its mean square, as stored, varies over the data."""
    min_factors: float = Field(default=2.0, ge=0, exclude_if=lambda factors: factors == 2.0)
    """The scalar has collapsed when it follows fewer factors, counted as exp(entropy of its total effects): moving images
    along one factor's own axis mixes it with no other. Of grids with fewer than three factors less is asked
    (perturb.perturbation.scalar.fewest_factors)."""
    action: Literal["fail", "warn"] = "fail"
    """Stop with a sentence, or go on and say so in the report."""
