"""Settings of the perturbation network m_ψ and of its training (thesis 4.2.4 and 4.3.1)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from perturb.config.section import Section

Bound = Literal["reflect", "clip"]
"""Treatment of values outside [0, 1]: mirrored at the border, or clipped."""
Form = Literal["alignment", "alignment_contrast", "alignment_factors", "literal", "literal_exact", "residual"]
"""The objective that m_ψ minimises (docs/method.md explains each):

alignment            ours: how well the axes of the disentangled codes would suit the modified images after retraining
alignment_contrast   the same, minus the same quantity for the entangled codes: closest to the thesis's two ensembles
alignment_factors    the same with the factors in place of codes: an upper bound that involves no model
literal              the thesis's game (4.2.4): the trained decoders reconstruct x′
literal_exact        the same game with optimal decoders, computed once; for grids of up to 16,384 images
residual             ours: fresh small networks predict δ alone, and the game's cross term with x is dropped
"""


class AlignmentConfig(Section):
    """Settings of the `alignment…` forms: how the local metric of modified images is fitted, and the price of a latent."""

    widths: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(0.5, 1.0, 1.5), min_length=1)
    """Widths of the Gaussian neighbourhoods in which slopes are fitted, in standard deviations of a code. A VAE settles on
    its axes while its posteriors are about that wide. The objective is averaged over the widths."""
    price: float = Field(default=3.0, gt=0)
    """c, which is added to squared slopes: β times the variance of the likelihood, in squared error summed over the values
    of an image. A latent with a squared slope below c is not worth the nats that it costs."""
    points: int = Field(default=2_000, ge=100)
    """Number of images per step of m_ψ."""
    anchors: int = Field(default=96, ge=1)
    """Number of these images that serve as anchors; slopes are fitted around each anchor."""
    redraw_every: int = Field(default=10, ge=1)
    """Number of steps after which new points and anchors are drawn."""
    in_span: bool = Field(default=False, exclude_if=lambda in_span: not in_span)
    """True: project images on the directions in which the originals vary (perturb.perturbation.span). A VAE does not
    reconstruct much of what lies outside these directions."""


class PerturbationConfig(Section):
    """m_ψ: factors → one neuron → image, trained against frozen encoders.

    Defaults are the thesis's where it states them. Whatever it leaves open is a field.
    """

    form: Form = "literal"
    """The objective that m_ψ minimises."""
    epsilon: float = Field(gt=0, lt=1)
    """Largest change of a pixel, with pixels in [0, 1] (0.1 for dSprites, 0.175 for Shapes3D)."""
    steps: int = Field(default=30_000, ge=1)
    """Number of updates of m_ψ."""
    decoder_steps: int = Field(default=3, ge=1)
    """Decoder updates per update of m_ψ, each on its own batch."""
    batch_size: int = Field(default=64, ge=2)
    """Images per batch."""
    latent_samples: int = Field(default=5, ge=1)
    """Number of codes drawn from the frozen posterior of each image."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Adam's learning rate for m_ψ."""
    decoder_learning_rate: float = Field(default=1e-4, gt=0)
    """Adam's learning rate for the decoders."""
    generator: Literal["deconv", "coarse"] = "deconv"
    """`deconv`: the decoder of the models, with its input MLP extended by the single neuron. `coarse`: an MLP that draws the
    pattern on an 8 × 8 grid, which is enlarged to the size of the image."""
    bottleneck: Literal["before", "after", "between"] = Field(default="between", exclude_if=lambda place: place == "between")
    """Position of the neuron. Thesis 4.3.1: "the only difference lies in the input MLP, which was extended by a single
    neuron hidden layer". The decoder's input MLP is z → 256 → 1024 (half as wide in conv32, 256 → 256 in `coarse`), and the
    text allows three readings. `before`: w → 1 → 256 → 1024, taken literally; the scalar is a linear function of the
    factors. `after`: w → 256 → 1 → 1024, which adds exactly one layer. `between`: w → 256 → 1 → 256 → 1024, with the neuron
    in front of a complete decoder; the scalar can be any function of the factors."""
    normalise_scalar: bool = False
    """Standardise the single neuron over the batch, so that it cannot drift to one extreme."""
    normalise_pattern: bool = False
    """Standardise every value of the pattern over the batch before tanh, so that none can stay at one extreme."""
    spread: float | None = Field(default=None, gt=0)
    """Initialise weights and biases of the layer after the neuron uniformly in ± this. None: Glorot weights, zero biases."""
    bound: Bound = "reflect"
    """The way in which x + ε·m is brought back into [0, 1]."""
    coverage: float = Field(default=0.0, ge=0)
    """Weight of the entropy of the scalar's linear effects (in nats) in the objective of the `alignment…` forms and of
    `literal_exact`. It keeps the scalar from ignoring factors."""
    tries: int = Field(default=1, ge=1, exclude_if=lambda tries: tries == 1)
    """Number of networks trained from different initialisations. The selected one is predicted to give the disentangled
    codes the lowest MIG on their cheapest axes (perturb.analysis.prediction), which requires no retraining."""
    trial_steps: int = Field(default=0, ge=0, exclude_if=lambda steps: steps == 0)
    """Updates of a trial model, which is like the restarts and is trained on the images of each try. The try with the lowest
    MIG is selected, and each control is selected from as many draws in the same way. 0: train no model and select by the
    prediction."""
    alignment: AlignmentConfig = AlignmentConfig()
    """Settings that are only used by the forms `alignment`, `alignment_contrast` and `alignment_factors`."""

    @model_validator(mode="after")
    def _trials_choose_among_tries(self) -> "PerturbationConfig":
        if self.trial_steps and self.tries == 1:
            raise ValueError(
                f"perturbation.tries must be at least 2 where perturbation.trial_steps = {self.trial_steps}, because trials "
                "choose among tries; it is 1"
            )
        return self


class CollapseConfig(Section):
    """Guard against collapsed patterns.

    A pattern that is nearly constant, or follows one factor alone, cannot change the cheapest codes.
    """

    min_variation: float = Field(default=0.05, ge=0, lt=1)
    """A pattern has collapsed if less than this share of its mean square varies over the data, as drawn or as stored."""
    min_factors: float = Field(default=2.0, ge=0, exclude_if=lambda factors: factors == 2.0)
    """The scalar has collapsed if it follows fewer factors than this, counted as exp(entropy of its total effects). Moving
    images along the axis of a single factor mixes that factor with no other. The limit is lower on grids with fewer than
    three factors (perturb.perturbation.scalar.fewest_factors)."""
    action: Literal["fail", "warn"] = "fail"
    """`fail`: stop with an error. `warn`: continue, and note the collapse in the report."""
