"""The training loop around a user's module and loss."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perturb.errors import UserError
from perturb.external.dataset import BenchmarkImages
from perturb.external.plan import Training
from perturb.external.protocols import module_of
from perturb.random.seeds import numpy_generator


def train(
    model: Any,  # noqa: ANN401
    dataset: BenchmarkImages,
    training: Training,
    *,
    seed: int,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Train a model's module with Adam on its loss; leave it in evaluation mode.

    Args:
        model: an object with `module` and `loss(batch)`, or a torch module with `loss(batch)`.
        dataset: the images.
        training: steps, batch size, learning rate, device.
        seed: seed for the batches, which are the same on every variant.
        report: called with (steps done, total steps).

    Raises:
        UserError: the loss is not a finite scalar with a gradient.

    """
    module, device = module_of(model), device_of(training)
    module.to(device).train()
    optimiser = torch.optim.Adam(module.parameters(), lr=training.learning_rate)
    draws = numpy_generator(seed, "batches")
    for step in range(1, training.steps + 1):
        batch = dataset.batch(draws.integers(len(dataset), size=training.batch_size)).to(device)
        loss = checked_loss(model.loss(batch))
        value = loss.item()
        if not math.isfinite(value):
            raise UserError(f"the loss was {value} at step {step}.")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        report(step, training.steps)
    module.eval()


def checked_loss(loss: Any) -> Tensor:  # noqa: ANN401
    """Return the result of `loss(batch)` unchanged; raise a UserError if it is not a scalar tensor with a gradient."""
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
        given = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        without = " without a gradient" if isinstance(loss, Tensor) and not loss.requires_grad else ""
        raise UserError(f"loss(batch) must return a scalar tensor with a gradient, got {given}{without}.")
    return loss


def device_of(training: Training) -> torch.device:
    """Return the device that the loop trains on."""
    return torch.device(training.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def rehearse(model: Any, how: str, dataset: BenchmarkImages, training: Training, encode: Callable) -> None:  # noqa: ANN401
    """Try the loss and the encoder on a few images, to raise before a long training what would otherwise be raised later."""
    images = dataset.images(np.arange(min(8, len(dataset))))
    if how == "loop":
        device = device_of(training)
        module_of(model).to(device).train()
        checked_loss(model.loss(dataset.batch(np.arange(len(images))).to(device)))
        module_of(model).eval()
    if how != "fit":
        encode(images)
