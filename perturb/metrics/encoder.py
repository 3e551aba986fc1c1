"""An encoder of any framework, scored on a ground truth."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from perturb.config.metrics import MetricsConfig
from perturb.datasets.ground_truth import GroundTruth
from perturb.errors import UserError
from perturb.metrics.coded import PartlyCoded, as_array
from perturb.metrics.metric import Scores
from perturb.metrics.scoring import chosen_settings, rows_to_encode, score
from perturb.progress import Progress

BATCH = 512
Encoder = Callable[[np.ndarray], np.ndarray]
"""An encoder: it turns images, uint8 (n, height, width, channels), to codes (n, latents)."""


def score_encoder(
    encoder: Encoder,
    truth: GroundTruth,
    metrics: Sequence[str],
    *,
    settings: MetricsConfig | None = None,
    seed: int = 0,
    fast: bool = False,
    progress: Progress | None = None,
    threads: int = -1,
) -> dict[str, Scores]:
    """Encode what the metrics read, once, and score it; arguments as `score`, and `progress` is told of every batch.

    Raises:
        UserError: as `score`; or the encoder returns something else than a row of numbers for every image.

    """
    chosen = chosen_settings(metrics, settings, fast=fast)
    coded = encoded_by(encoder, truth, metrics, chosen, seed=seed, progress=progress)
    return score(coded, metrics, settings=chosen, seed=seed, threads=threads)


def encoded_by(
    encoder: Encoder,
    truth: GroundTruth,
    metrics: Sequence[str],
    chosen: MetricsConfig,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> PartlyCoded:
    """The codes of the images that the metrics read with these settings and this seed; errors as `score_encoder`."""
    encoded = rows_to_encode(metrics, chosen, truth.grid, seed=seed)
    codes: list[np.ndarray] = []
    for numbers in batches(encoded, progress):
        images = truth.images(numbers)
        found = np.array(as_array(encoder(images), "codes"))  # a copy: compiled encoders hand out one buffer again and again
        if found.ndim != 2 or len(found) != len(images):
            raise UserError(
                f"an encoder must return codes ({len(images)}, latents) for {len(images)} images, got {found.shape}."
            )
        codes.append(found)
    return PartlyCoded(np.concatenate(codes), truth.grid, encoded)


def batches(numbers: np.ndarray, progress: Progress | None) -> Iterator[np.ndarray]:
    """Numbers of images as an encoder takes them, a batch at a time, of which `progress` is told."""
    for start in range(0, len(numbers), BATCH):
        if progress:
            progress.report(start, len(numbers), "encoding")
        yield numbers[start : start + BATCH]
