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
    """Return settings for training linear models with Adam and a Gaussian likelihood.

    The defaults suit vectors of about unit size. They were chosen for a point cloud with variances of 4 and 1 and a
    likelihood variance of ¼. Most restarts converge within 1,000 steps, some later. After that, batch noise keeps the axes
    up to about a degree off.

    Args:
        variance: Variance of the likelihood, fixed.
        steps: Number of updates.
        batch_size: Samples per batch.
        learning_rate: Learning rate of Adam.

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
    """Train linear models in parallel and return their decoder matrices, float64 (restarts, values, latents).

    Args:
        samples: Vectors to train on.
        method: Config of the method, such as VAEConfig or AutoencoderConfig.
        training: Training settings with the architecture `linear`.
        latents: Number of latents.
        seeds: One seed per restart.
        device: Torch device.

    Raises:
        UserError: If a training diverged.

    """
    model = trained(
        [samples] * len(seeds), method, training, latents=latents, seeds=seeds, device=device
    )  # fmt: skip
    layer = next(layer for layer in model.networks["decoder"].modules() if isinstance(layer, Linear))
    return layer.weight.detach().double().cpu().numpy().transpose(0, 2, 1)
