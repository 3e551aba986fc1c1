"""The images of a ground truth, laid out so that trainings can memory-map them."""

import numpy as np

from perturb.datasets import open_ground_truth
from perturb.datasets.saved_images import BATCH, ImagesResult, ImagesRun, write_images
from perturb.runs import StageContext


def build_images(context: StageContext[ImagesRun]) -> ImagesResult:
    """Render all images once, or read them from the official file."""
    ground_truth = open_ground_truth(context.spec.config.dataset)
    total = ground_truth.grid.num_images
    blocks = (ground_truth.images(np.arange(i, min(i + BATCH, total))) for i in range(0, total, BATCH))
    return write_images(
        context.out,
        blocks,
        shape=(total, *ground_truth.image_shape),
        binary=ground_truth.binary,
        progress=context.progress,
        provenance=ground_truth.provenance(),
    )
