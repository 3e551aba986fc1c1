import sys

import numpy as np
import pytest

from perturb.config import MetricsConfig
from perturb.metrics import METRICS
from perturb.metrics.information import discretised
from perturb.metrics.mig import compute_factor_gaps, compute_mig

SETTINGS = MetricsConfig()
SIZES = (3, 6, 8, 8, 8)
FACTORS = np.random.default_rng(0).integers(0, SIZES, size=(10_000, len(SIZES)))
IDENTITY = FACTORS / np.array(SIZES)
NOISE = np.random.default_rng(1).normal(size=(10_000, 5))
MIXED = np.tanh((IDENTITY - 0.5) @ np.random.default_rng(7).normal(size=(5, 8)))
CODES = {
    "identity": IDENTITY,
    "noise": NOISE,
    "mixed": MIXED,
    "duplicated": np.concatenate([IDENTITY, IDENTITY], axis=1),
    "noisy": IDENTITY + 0.1 * NOISE,
    "with a constant latent": np.concatenate([IDENTITY, np.full((10_000, 1), 0.7)], axis=1),
}


def test_identity_code_scores_one() -> None:
    assert compute_mig(IDENTITY, FACTORS, SETTINGS) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["noise", "duplicated"])
def test_code_without_a_gap_scores_zero(name: str) -> None:
    assert compute_mig(CODES[name], FACTORS, SETTINGS) == pytest.approx(0, abs=0.01)


def test_constant_code_scores_zero() -> None:
    assert compute_mig(np.ones((10_000, 3)), FACTORS, SETTINGS) == 0


def test_two_latents_that_share_a_factor_by_hand() -> None:
    """One binary factor, held fully by one latent and by the other with a quarter of errors, which is ln 2 − H(1/4)."""
    factors = np.tile([0, 1], 4000)[:, None]
    flipped = factors[:, 0] ^ (np.arange(8000) // 2 % 4 == 0)
    codes = np.stack([factors[:, 0], flipped], axis=1).astype(float)
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert compute_mig(codes, factors, SETTINGS) == pytest.approx(entropy / np.log(2))


@pytest.mark.parametrize("name", CODES)
def test_order_and_positive_scale_of_latents_do_not_matter(name: str) -> None:
    codes = CODES[name]
    changed = (codes * 4.0)[:, ::-1]
    assert compute_mig(changed, FACTORS, SETTINGS) == pytest.approx(compute_mig(codes, FACTORS, SETTINGS), abs=1e-12)


def test_mixing_lowers_the_score() -> None:
    scores = []
    for angle in (0, np.pi / 16, np.pi / 4):
        rotation = np.eye(5)
        rotation[3:, 3:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        scores.append(compute_mig(IDENTITY @ rotation, FACTORS, SETTINGS))
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < scores[0] - 0.2


def test_a_gap_for_each_factor_averages_to_the_score() -> None:
    gaps = compute_factor_gaps(MIXED, FACTORS, SETTINGS)
    assert gaps.shape == (5,)
    assert gaps.mean() == pytest.approx(compute_mig(MIXED, FACTORS, SETTINGS))


def test_bins_have_equal_width_and_hold_both_ends() -> None:
    bins = discretised(np.array([[0.0], [0.049], [0.051], [0.951], [1.0]]), 20)
    assert bins[:, 0].tolist() == [1, 1, 2, 20, 20]


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (IDENTITY[:, :1], FACTORS, r"at least 2 latents for a gap, got shape \(10000, 1\)"),
        (IDENTITY, FACTORS[:50], r"n = 10000, got shape \(50, 5\)"),
        (np.where(IDENTITY > 0.8, np.nan, IDENTITY), FACTORS, "must be finite"),
        (IDENTITY, FACTORS * np.array([1, 0, 1, 1, 1]), r"these columns take one: \[1\]"),
    ],
)
def test_arrays_without_a_score_are_refused(codes: np.ndarray, factors: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compute_mig(codes, factors, SETTINGS)


def test_every_metric_answers_a_python_float() -> None:
    for metric in METRICS.values():
        assert type(metric.compute(MIXED, FACTORS, SETTINGS)) is float


@pytest.fixture(scope="module")
def oracle():
    """disentanglement_lib's own code, unmodified: gin.tf stands in for a TensorFlow that MIG never calls."""
    gin = pytest.importorskip("gin")
    sys.modules["gin.tf"] = gin
    gin.tf = gin
    mig = pytest.importorskip("disentanglement_lib.evaluation.metrics.mig")
    from disentanglement_lib.evaluation.metrics import utils

    with gin.unlock_config():
        gin.bind_parameter("discretizer.discretizer_fn", utils._histogram_discretize)
        gin.bind_parameter("discretizer.num_bins", 20)
    return mig


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CODES)
def test_equals_disentanglement_lib(oracle, name: str) -> None:
    expected = oracle._compute_mig(CODES[name].T, FACTORS.T)["discrete_mig"]
    assert compute_mig(CODES[name], FACTORS, SETTINGS) == pytest.approx(expected, abs=1e-12)
