"""Settings of one model's training."""

from typing import Annotated, Literal

from pydantic import Field

from perturb.config.section import Section

Architecture = Literal["conv64", "conv32", "mlp64", "mlp28", "mlp_vectors", "linear"]
"""Names of the architectures, keys of `perturb.models.ARCHITECTURES`."""


class GaussianConfig(Section):
    """A Gaussian likelihood: the decoder outputs the means, and all values share one variance.

    A variance of ½ gives the loss ‖x − x̂‖² + β · KL of the thesis's chapter 3, up to a constant.
    """

    kind: Literal["gaussian"] = "gaussian"
    variance: Annotated[float, Field(gt=0)] | Literal["learnt"] = 0.5
    """Variance of every value, in squared units of the data. `learnt`: a trained parameter that starts at 1."""


class TrainingConfig(Section):
    """Settings of one model's training, shared by the restarts and the evaluation."""

    architecture: Architecture
    """Key in ARCHITECTURES. conv64 is disentanglement_lib's architecture for 64 × 64 images and conv32 a smaller version for
    32 × 32; mlp64 and mlp28 are fully connected, for 64 × 64 and 28 × 28 images; mlp_vectors and linear are for vectors."""
    latents: int | None = Field(default=None, ge=2)
    """Size of the code; None: the number of factors, as in the thesis."""
    steps: int = Field(default=300_000, ge=1)
    """Number of updates."""
    batch_size: int = Field(default=64, ge=1)
    """Images per batch, drawn uniformly from the grid with replacement."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """The optimiser's learning rate."""
    optimiser: Literal["adam", "adagrad"] = Field(default="adam", exclude_if=lambda name: name == "adam")
    """Adam (betas 0.9 and 0.999, eps 1e-8) or AdaGrad (eps 1e-10, accumulator starting at 0). Discriminators and the weakly
    supervised GAN always use Adam."""
    likelihood: GaussianConfig | None = Field(default=None, exclude_if=lambda likelihood: likelihood is None)
    """Likelihood of the images given the decoder's output, for methods that have one. None: Bernoulli."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the networks' forward and backward passes. Weights and losses are always float32."""
    checkpoint_every: int = Field(default=5_000, ge=1)
    """Updates between checkpoints, which is also the most that is lost if the process dies."""
