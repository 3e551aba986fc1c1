"""An encoder of any framework, scored on a ground truth."""

from collections.abc import Callable, Sequence

import numpy as np

from perturb.config.metrics import MetricsConfig
from perturb.datasets.ground_truth import GroundTruth
from perturb.errors import UserError
from perturb.metrics.coded import Coded
from perturb.metrics.metric import Scores
from perturb.metrics.scoring import chosen_settings, rows_to_encode, score
from perturb.progress import Progress

BATCH = 512
Encoder = Callable[[np.ndarray], np.ndarray]
"""From images, uint8 (n, height, width, channels), to codes (n, latents)."""


def score_encoder(
    encoder: Encoder,
    truth: GroundTruth,
    metrics: Sequence[str],
    *,
    settings: MetricsConfig | None = None,
    seed: int = 0,
    fast: bool = False,
    progress: Progress | None = None,
) -> dict[str, Scores]:
    """Encode what the metrics read, once, and score it; arguments as `score`, and `progress` is told of every batch.

    That is the whole grid for a metric that intervenes on factors, and else a sample of it: 15,000 images or fewer.

    Raises:
        UserError: as `score`; or the encoder returns something else than a row of numbers for every image.

    """
    chosen = chosen_settings(metrics, settings, fast=fast)
    rows = rows_to_encode(metrics, chosen, truth.grid.num_images, seed=seed)
    codes = []
    for start in range(0, len(rows), BATCH):
        if progress:
            progress.report(start, len(rows), "encoding")
        images = truth.images(rows[start : start + BATCH])
        found = np.asarray(encoder(images))
        if found.ndim != 2 or len(found) != len(images):
            raise UserError(
                f"an encoder must return codes ({len(images)}, latents) for {len(images)} images, got {found.shape}."
            )
        codes.append(found)
    return score(Coded(np.concatenate(codes), truth.grid.factors_of(rows)), metrics, settings=chosen, seed=seed)
