"""The images of a ground truth, laid out so that a training can map them."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from perturb.datasets import open_ground_truth
from perturb.datasets.pixels import PixelsWriter
from perturb.datasets.saved_images import ImagesResult, ImagesRun
from perturb.files import require_free_space, sha256_of
from perturb.progress import Progress
from perturb.runs import StageContext

BATCH = 1_024
"""Images in memory at a time when a whole dataset is copied."""


def build_images(context: StageContext[ImagesRun]) -> ImagesResult:
    """Render, or read from the official file, all images once."""
    ground_truth = open_ground_truth(context.spec.config.dataset)
    total = ground_truth.grid.num_images
    blocks = (ground_truth.images(np.arange(i, min(i + BATCH, total))) for i in range(0, total, BATCH))
    shape = (total, *ground_truth.image_shape)
    sha256 = write_images(context.out, blocks, shape=shape, binary=ground_truth.binary, progress=context.progress)
    return ImagesResult(images=total, provenance=ground_truth.provenance(), sha256=sha256)


def write_images(
    folder: Path, blocks: Iterable[np.ndarray], *, shape: tuple[int, int, int, int], binary: bool, progress: Progress
) -> str:
    """Write blocks of images (k, height, width, channels) one after the other; the SHA-256 of the file."""
    needed = math.prod(shape) // (8 if binary else 1)
    require_free_space(folder, needed, total=needed)
    writer = PixelsWriter(folder, shape, binary=binary)
    for block in blocks:
        progress.report(writer.append(block), shape[0], "images")
    writer.close()
    return sha256_of(writer.path)
