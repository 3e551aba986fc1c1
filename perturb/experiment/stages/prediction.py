"""The prediction of a pattern's effect, by the frozen encoders that m_ψ was trained against."""

import numpy as np
import torch

from perturb.analysis.prediction import Prediction, predict
from perturb.analysis.saved_analyses import PredictionRun
from perturb.datasets import grid_of
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


def build_prediction(context: StageContext[PredictionRun]) -> Prediction:
    """Turn the codes of the disentangled restarts; inputs are images, pixels, selection, restart-0, restart-1, …"""
    config = context.spec.config
    grid, chosen = grid_of(config.dataset), read_result(context.inputs["selection"], Selection).disentangled
    rng = numpy_generator(config.seed, "images")
    numbers = np.sort(rng.choice(len(grid), min(SAMPLE, len(grid)), replace=False))
    originals, variant = open_images(context.inputs["images"]), open_images(context.inputs["pixels"])
    models = [load_model(context.inputs[f"restart-{index}"], context.device) for index in chosen]
    codes = [active_codes(*encode(model, originals, numbers)) for model in models]
    images = torch.cat([pooled(variant.batch(part)) for part in np.split(numbers, range(BATCH, len(numbers), BATCH))])
    directions = principal_directions(originals, grid)
    return predict(codes, grid.factors_of(numbers), images, directions, price=config.price, seed=config.seed)
