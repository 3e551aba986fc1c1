"""The disentanglement score (DS) of continuous factors."""

import numpy as np
import pytest

from perturb.metrics.disentanglement_score import continuous_score

FACTORS = np.random.default_rng(0).random((4_000, 2))


def _score(codes: np.ndarray) -> float:
    return continuous_score(codes, FACTORS, np.random.default_rng(1))


def test_the_factors_score_one_in_any_order_sign_and_monotone_scale() -> None:
    assert _score(FACTORS) == pytest.approx(1, abs=0.01)
    assert _score(FACTORS[:, ::-1] * [-3.0, 0.1]) == pytest.approx(1, abs=0.01)
    assert _score(np.exp(FACTORS)) == pytest.approx(1, abs=0.01)


def test_redundant_or_uninformative_latents_score_zero() -> None:
    assert _score(FACTORS[:, [0, 0]]) == pytest.approx(0, abs=1e-9)
    assert _score(np.random.default_rng(2).random((4_000, 2))) == pytest.approx(0, abs=0.01)


def test_one_informative_latent_out_of_two_scores_one_half() -> None:
    codes = np.stack([FACTORS[:, 0], np.random.default_rng(2).random(4_000)], axis=1)
    assert _score(codes) == pytest.approx(0.5, abs=0.01)
