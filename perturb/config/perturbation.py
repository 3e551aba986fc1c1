"""Settings of the perturbation network m_ψ and of its training (thesis 4.2.4 and 4.3.1)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from perturb.config.section import Section

Bound = Literal["reflect", "clip"]
"""The treatment of values outside [0, 1]: mirrored at the border, or cut off there."""
Form = Literal["alignment", "alignment_contrast", "alignment_factors", "literal", "literal_exact", "residual"]
"""The objective that m_ψ minimises (docs/method.md explains each):

alignment            ours: how well the axes of the disentangled codes suit the modified images, after retraining
alignment_contrast   the same, less the same of the entangled codes: the nearest to the thesis's two ensembles
alignment_factors    the same with the factors as codes: an upper bound, which no model takes part in
literal              the thesis's game (4.2.4): the trained decoders reconstruct x′
literal_exact        that game with decoders at their optimum, computed once; for grids of up to 16,384 images
residual             ours: fresh small networks predict δ alone, and the game's cross term with x is dropped
"""


class AlignmentConfig(Section):
    """The forms `alignment…`: where the local metric of the modified images is fitted, and what its size is held against."""

    widths: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(0.5, 1.0, 1.5), min_length=1)
    """Widths of the Gaussian neighbourhoods in which slopes are fitted, in standard deviations of a code. A VAE settles its
    axes while its posteriors are about that wide. The objective is the mean over the widths."""
    price: float = Field(default=3.0, gt=0)
    """c, added to squared slopes: β times the likelihood's variance, in squared error summed over an image's values. A
    latent whose slope lies below it is not worth its nats."""
    points: int = Field(default=2_000, ge=100)
    """Number of images in each step of m_ψ."""
    anchors: int = Field(default=96, ge=1)
    """Number of points that serve as anchors; slopes are fitted around each of them."""
    redraw_every: int = Field(default=10, ge=1)
    """Number of steps that use the same points and anchors before others are drawn."""
    in_span: bool = Field(default=False, exclude_if=lambda in_span: not in_span)
    """True if only the images' part within the directions counts in which the originals vary (perturb.perturbation.span). A
    VAE leaves much of what lies outside them undrawn."""


class PerturbationConfig(Section):
    """m_ψ: factors → one neuron → image, trained against frozen encoders.

    The defaults are the thesis's where it states them; what it leaves open is a field.
    """

    form: Form = "literal"
    """The objective that m_ψ minimises."""
    epsilon: float = Field(gt=0, lt=1)
    """Largest change of a pixel, with pixels in [0, 1] (0.1 for dSprites, 0.175 for Shapes3D)."""
    steps: int = Field(default=30_000, ge=1)
    """Number of updates of m_ψ."""
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
    """The neuron's position. Thesis 4.3.1: "the only difference lies in the input MLP, which was extended by a single neuron
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
    bound: Bound = "reflect"
    """The way in which x + ε·m is brought back into [0, 1]."""
    coverage: float = Field(default=0.0, ge=0)
    """Weight of the entropy of the scalar's linear effects (in nats) in the objective of the forms `alignment…` and
    `literal_exact`: keeps the scalar from leaving factors out."""
    tries: int = Field(default=1, ge=1, exclude_if=lambda tries: tries == 1)
    """Networks that are trained from different starts. The one is taken whose images are predicted to leave the disentangled
    codes the lowest MIG on their cheapest axes (perturb.analysis.prediction); no model is retrained for that."""
    trial_steps: int = Field(default=0, ge=0, exclude_if=lambda steps: steps == 0)
    """Updates of a model, one like the restarts, that is trained on the images of each try. The try is taken that leaves it
    the lowest MIG, and of as many draws of each control, too. 0: no model is trained, and the prediction decides."""
    alignment: AlignmentConfig = AlignmentConfig()
    """Settings that only the forms `alignment`, `alignment_contrast` and `alignment_factors` read."""

    @model_validator(mode="after")
    def _trials_choose_among_tries(self) -> "PerturbationConfig":
        if self.trial_steps and self.tries == 1:
            raise ValueError(
                f"perturbation.tries must be at least 2 where perturbation.trial_steps = {self.trial_steps}, because trials "
                "choose among tries; it is 1"
            )
        return self


class CollapseConfig(Section):
    """The guard against collapsed patterns, which cannot change the cheapest codes: nearly constant, or along one factor."""

    min_variation: float = Field(default=0.05, ge=0, lt=1)
    """The pattern has collapsed when less than this share of its mean square, as stored, varies over the data."""
    min_factors: float = Field(default=2.0, ge=0, exclude_if=lambda factors: factors == 2.0)
    """The scalar has collapsed when it follows fewer factors, counted as exp(entropy of its total effects): moving images
    along one factor's own axis mixes it with no other. Of grids with fewer than three factors less is asked
    (perturb.perturbation.scalar.fewest_factors)."""
    action: Literal["fail", "warn"] = "fail"
    """Stop with a sentence, or go on and say so in the report."""
