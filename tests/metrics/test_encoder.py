"""Encoders of any framework: the codes they return are copied."""

import numpy as np
import pytest

from perturb.datasets import Mini
from perturb.errors import UserError
from perturb.metrics import score_encoder
from perturb.metrics.encoder import BATCH

WEIGHTS = np.random.default_rng(0).normal(size=(32 * 32 * 3, 5)).astype(np.float32) / 50
MINI = Mini()


def _codes(images: np.ndarray) -> np.ndarray:
    return (images.reshape(len(images), -1) / 255).astype(np.float32) @ WEIGHTS


def test_an_encoder_that_reuses_its_output_buffer_has_the_same_scores() -> None:
    buffer = np.zeros((BATCH, 5), np.float32)

    def reusing(images: np.ndarray) -> np.ndarray:
        buffer[: len(images)] = _codes(images)
        return buffer[: len(images)]

    assert score_encoder(reusing, MINI, ["mig"]) == score_encoder(_codes, MINI, ["mig"])


def test_codes_that_are_not_two_dimensional_are_refused() -> None:
    with pytest.raises(UserError, match=r"an encoder must return codes \(512, latents\) for 512 images, got \(512,\)"):
        score_encoder(lambda images: _codes(images)[:, 0], MINI, ["mig"])
