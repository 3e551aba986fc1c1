"""Linear VAEs and linear autoencoders, trained by gradient descent on vectors."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from perturb.analysis.vector_training import trained
from perturb.config import ObjectiveConfig, TrainingConfig
from perturb.config.training import GaussianConfig
from perturb.datasets.samples import Samples
from perturb.models.layers import Linear


def training_of(
    variance: float, *, steps: int = 2_500, batch_size: int = 256, learning_rate: float = 3e-2
) -> TrainingConfig:
    """Settings of linear models by Adam under a Gaussian likelihood; the defaults suit vectors of about unit size.

    They were chosen for a cloud with variances of 4 and 1 and a likelihood's variance of ¼. Most restarts settle within
    1,000 steps, some later; then the noise of the batches keeps the axes up to about a degree off.

    Args:
        variance: of the likelihood, fixed.
        steps: updates.
        batch_size: samples in a batch.
        learning_rate: Adam's.

    """
    return TrainingConfig(
        architecture="linear", steps=steps, batch_size=batch_size, learning_rate=learning_rate, checkpoint_every=steps,
        likelihood=GaussianConfig(variance=variance),
    )  # fmt: skip


def trained_decoders(
    samples: Samples,
    method: ObjectiveConfig,
    training: TrainingConfig,
    *,
    latents: int,
    seeds: Sequence[int],
    device: str = "cpu",
) -> Float[np.ndarray, "restarts values latents"]:
    """Decoder matrices of linear models after training, side by side, float64 (restarts, values, latents).

    Args:
        samples: vectors.
        method: such as VAEConfig or AutoencoderConfig.
        training: of the architecture `linear`.
        latents: of the code.
        seeds: one for each restart.
        device: of torch.

    Raises:
        UserError: a training has diverged.

    """
    model = trained(
        [samples] * len(seeds), method, training, latents=latents, seeds=seeds, device=device
    )  # fmt: skip
    layer = next(layer for layer in model.networks["decoder"].modules() if isinstance(layer, Linear))
    return layer.weight.detach().double().cpu().numpy().transpose(0, 2, 1)
