"""One interface to every VAE whose noise is examined, whether this package or the user has trained it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perturb.analysis.jacobians import Decoder, jacobians
from perturb.datasets import GroundTruth
from perturb.errors import UserError
from perturb.external.dataset import as_floats
from perturb.external.protocols import decoder_of, encoder_of, made_by, offered, posterior_of
from perturb.instruments.instrument import Settings
from perturb.instruments.subject import Subjects, TrainedModel
from perturb.metrics.encoder import batches
from perturb.objectives.decode import single_decoder
from perturb.objectives.encode import encode


@dataclass(frozen=True, kw_only=True)
class Coder:
    """A model with a decoder and a Gaussian posterior for every image, in evaluation mode, and the images it is shown."""

    size: int
    """Number of images that it is shown; they are numbered from 0."""
    images: Callable[[np.ndarray], Tensor]
    """Images by number: float32 (n, ...) in [0, 1], in the layout that `decode` returns, on the model's device."""
    posterior: Callable[[np.ndarray], tuple[Tensor, Tensor]]
    """Posterior means and log variances of images by number, each float32 (n, latents), on the model's device."""
    decode: Decoder
    """From codes (n, latents) to mean images (n, ...) in [0, 1], each independently of the others."""


def coder_of(model: TrainedModel, device: str) -> Coder:
    """Return a model of this package, which must have a decoder, as a coder of the images that it was trained on."""
    objective, pixels = model.objective(device), model.pixels

    def posterior(numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        means, logvars = encode(objective, pixels, numbers)
        return torch.from_numpy(means).to(objective.device), torch.from_numpy(logvars).to(objective.device)

    return Coder(
        size=len(pixels),
        images=lambda numbers: pixels.batch(numbers, device=objective.device),
        posterior=posterior,
        decode=single_decoder(objective, images=True),
    )


@dataclass(frozen=True)
class ExternalModel:
    """A trained model made by the user's factory, and the benchmark whose original images it is shown."""

    name: str
    """The factory as the user typed it."""
    model: Any
    truth: GroundTruth

    def coder(self) -> Coder:
        """Return the model as a coder.

        Raises:
            UserError: If it has no decoder or no posterior. Also, later, if what these return has another shape than it
                should have.

        """
        decode, posterior, truth = decoder_of(self.model), posterior_of(self.model), self.truth
        height, width, channels = truth.image_shape

        def drawn(codes: Tensor) -> Tensor:
            images, expected = decode(codes), (len(codes), channels, height, width)
            if images.shape != expected:
                raise UserError(f"{self.name}: decode must return images {expected} here, got {tuple(images.shape)}.")
            return images

        def posteriors(numbers: np.ndarray) -> tuple[Tensor, Tensor]:
            parts = [posterior(truth.images(some)) for some in batches(numbers, None)]
            means, logvars = zip(*parts, strict=True)
            return torch.cat(means), torch.cat(logvars)

        return Coder(
            size=len(truth.grid),
            images=lambda numbers: as_floats(truth.images(numbers)),
            posterior=posteriors,
            decode=drawn,
        )

    def codes(self, numbers: np.ndarray) -> np.ndarray:
        """Return the codes of images by number, (n, latents)."""
        encode_images = encoder_of(self.model)
        return np.concatenate([encode_images(self.truth.images(some)) for some in batches(numbers, None)])


def external_model(subjects: Subjects, settings: Settings) -> ExternalModel:
    """Make the external model that is the subject."""
    truth, factory = subjects.truth, subjects.factory
    assert truth is not None
    assert factory is not None
    height, width, channels = truth.image_shape
    model, _ = made_by(factory, offered((channels, height, width), truth.grid, settings.seed), fitted=True)
    return ExternalModel(subjects.name, model, truth)


def check_differentiable(name: str, decode: Decoder, codes: Tensor) -> None:
    """Check on one of the codes (n, latents) that autograd can follow an external model's decoder.

    Raises:
        UserError: If it cannot.

    """
    try:
        jacobians(decode, codes[:1])
    except ValueError as error:
        raise UserError(f"{name}: decode cannot be differentiated ({error}).") from error
