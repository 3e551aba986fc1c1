"""Score an encoder of any framework on a ground truth."""

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
"""A function from images, uint8 (n, height, width, channels), to codes (n, latents)."""


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
    """Encode the images that the metrics read, once, and score the codes.

    The arguments are those of `score`. `progress` is updated before every batch.

    Raises:
        UserError: As for `score`, or if the encoder does not return one row of numbers per image.

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
    """Encode the images that the metrics read with these settings and this seed; errors as for `score_encoder`."""
    encoded = rows_to_encode(metrics, chosen, truth.grid, seed=seed)
    codes: list[np.ndarray] = []
    for numbers in batches(encoded, progress):
        images = truth.images(numbers)
        encoded_batch = np.array(as_array(encoder(images), "codes"))  # a copy: compiled encoders may reuse their buffer
        if encoded_batch.ndim != 2 or len(encoded_batch) != len(images):
            raise UserError(
                f"an encoder must return codes ({len(images)}, latents) for {len(images)} images, got {encoded_batch.shape}."
            )
        codes.append(encoded_batch)
    return PartlyCoded(np.concatenate(codes), truth.grid, encoded)


def batches(numbers: np.ndarray, progress: Progress | None) -> Iterator[np.ndarray]:
    """Yield image indices in batches for an encoder, and report each batch to `progress`."""
    for start in range(0, len(numbers), BATCH):
        if progress:
            progress.report(start, len(numbers), "encoding")
        yield numbers[start : start + BATCH]
