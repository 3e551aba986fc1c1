"""The prediction of a pattern's effect, by the frozen encoders that m_ψ was trained against."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from perturb.analysis.prediction import Prediction, predict
from perturb.analysis.saved_analyses import PredictionRun
from perturb.datasets import FactorGrid, grid_of
from perturb.datasets.pixels import Pixels
from perturb.datasets.saved_images import open_images
from perturb.objectives.encode import encode
from perturb.perturbation.local_metric import active_codes
from perturb.perturbation.pooling import pooled
from perturb.perturbation.selection import Selection
from perturb.perturbation.span import principal_directions
from perturb.random.seeds import numpy_generator
from perturb.runs import StageContext, read_result
from perturb.training.saved_models import load_model

SAMPLE = 5_000
"""The largest number of images that a prediction reads."""
BATCH = 512
Moved = Callable[[np.ndarray], Tensor]
"""Image numbers (n,) → images of a variant, float32 (n, height, width, channels) in [0, 1]."""


def build_prediction(context: StageContext[PredictionRun]) -> Prediction:
    """Turn the codes of the disentangled restarts; inputs are images, pixels, selection, restart-0, restart-1, …"""
    config = context.spec.config
    variant = open_images(context.inputs["pixels"])
    predicted = predictor(
        context.inputs, grid_of(config.dataset), price=config.price, seed=config.seed, device=context.device
    )
    return predicted(variant.batch)


def predictor(
    inputs: Mapping[str, Path], grid: FactorGrid, *, price: float, seed: int, device: str
) -> Callable[[Moved], Prediction]:
    """What predicts, for any images of a grid, the effect on the disentangled restarts; these encode their images once.

    Args:
        inputs: run directories: images, selection, restart-0, restart-1, …
        grid: of the images.
        price: c, in units of the likelihood's variance.
        seed: draws images and anchors.
        device: of the encoders.

    """
    rng = numpy_generator(seed, "images")
    numbers = np.sort(rng.choice(len(grid), min(SAMPLE, len(grid)), replace=False))
    originals = open_images(inputs["images"])
    codes = _codes(inputs, originals, numbers, device)
    directions, factors = principal_directions(originals, grid), grid.factors_of(numbers)

    def predicted(moved: Moved) -> Prediction:
        images = torch.cat([pooled(moved(part)) for part in np.split(numbers, range(BATCH, len(numbers), BATCH))])
        return predict(codes, factors, images, directions, price=price, seed=seed)

    return predicted


def _codes(inputs: Mapping[str, Path], originals: Pixels, numbers: np.ndarray, device: str) -> list[Tensor]:
    """The standardised codes of the disentangled restarts."""
    chosen = read_result(inputs["selection"], Selection).disentangled
    models = [load_model(inputs[f"restart-{index}"], device) for index in chosen]
    return [active_codes(*encode(model, originals, numbers)) for model in models]
