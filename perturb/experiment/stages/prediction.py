"""What a pattern will do to a VAE's axes, by the frozen encoders that m_ψ was trained against."""

from typing import Any

import numpy as np
import torch

from perturb.analysis.prediction import predict
from perturb.datasets import grid_of
from perturb.datasets.pixels import Pixels
from perturb.objectives.encode import encode
from perturb.perturbation.local_metric import active_codes
from perturb.perturbation.pooling import pooled
from perturb.perturbation.span import principal_directions
from perturb.random.seeds import numpy_generator
from perturb.runs import Workplace, read_result
from perturb.training.saved_models import load_model

SAMPLE = 5_000
"""The largest number of images that a prediction reads."""
BATCH = 512


def build_prediction(place: Workplace) -> dict[str, Any]:
    """Turn the codes of the disentangled restarts; inputs are images, pixels, selection, restart-0, restart-1, …"""
    config = place.spec.config
    grid, chosen = grid_of(config.dataset), read_result(place.inputs["selection"])["disentangled"]
    rng = numpy_generator(config.seed, "images")
    numbers = np.sort(rng.choice(len(grid), min(SAMPLE, len(grid)), replace=False))
    originals, variant = Pixels.open(place.inputs["images"]), Pixels.open(place.inputs["pixels"])
    models = [load_model(place.inputs[f"restart-{index}"], place.device) for index in chosen]
    codes = [active_codes(*encode(model, originals, numbers)) for model in models]
    images = torch.cat([pooled(variant.batch(part)) for part in np.split(numbers, range(BATCH, len(numbers), BATCH))])
    directions = principal_directions(originals, grid)
    return predict(codes, grid.factors_of(numbers), images, directions, price=config.price, seed=config.seed).as_json()
