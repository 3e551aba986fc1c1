"""The way in which the codes of a trained model hold the factors of the images that it was trained on."""

import numpy as np

from perturb.analysis.factor_directions import held_by_name
from perturb.analysis.saved_analyses import CodesResult, CodesRun
from perturb.datasets import grid_of
from perturb.datasets.saved_images import open_some
from perturb.objectives.encode import encode
from perturb.random.seeds import numpy_generator, some_of
from perturb.runs import StageContext, read_result
from perturb.training.saved_models import TrainingResult, load_model

SAMPLE = 2_000
"""Maximum number of images whose codes are examined."""


def build_codes(context: StageContext[CodesRun]) -> CodesResult:
    """Encode some of the images and measure how the codes hold each factor. A failed training holds none."""
    if read_result(context.inputs["restart"], TrainingResult).failure is not None:
        return CodesResult(factors=None)
    config, pixels = context.spec.config, open_some(context.inputs["images"])
    grid, rng = grid_of(config.dataset), numpy_generator(config.seed, "codes")
    images = some_of(len(pixels), SAMPLE, rng)
    codes, _ = encode(load_model(context.inputs["restart"], context.device), pixels, images)
    if not np.isfinite(codes).all():
        return CodesResult(factors=None)
    return CodesResult(factors=held_by_name(codes, grid.factors_of(images), grid, rng))
