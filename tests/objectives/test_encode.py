"""Images are encoded once: metrics draw from the codes what they would get by encoding every draw anew."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import oracle
import pytest
import torch
from scipy.stats import ks_2samp

from perturb.config import TrainingConfig
from perturb.config.metrics import BinnedConfig, FactorVAEScoreConfig, MetricsConfig
from perturb.config.objectives import BetaVAEConfig
from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.mini import Mini
from perturb.errors import UserError
from perturb.metrics import Coded, PartlyCoded, rows_to_encode, score, score_encoder
from perturb.objectives import OBJECTIVES, Objective
from perturb.objectives.encode import encode

GRID = Mini.grid
ROWS = np.arange(GRID.num_images)
PIXELS = Pixels(Mini().images(ROWS))
SETTINGS = MetricsConfig(
    mig=BinnedConfig(num_train=300),
    factor_vae=FactorVAEScoreConfig(num_variance=200, num_train=40, num_test=20, batch_size=8),
)
REPEATS = 25


class Heard:
    """Records the reported progress."""

    def __init__(self) -> None:
        self.reports: list[tuple[int, int]] = []

    def report(self, done: int, total: int, note: str = "") -> None:
        self.reports.append((done, total))


class Images:
    """A ground truth with the library's interface: it samples factors and returns their images."""

    num_factors = GRID.num_factors

    def sample_factors(self, count: int, generator: np.random.RandomState) -> np.ndarray:
        return np.stack([generator.randint(size, size=count) for size in GRID.sizes], axis=1)

    def sample_observations_from_factors(self, factors: np.ndarray, generator: np.random.RandomState) -> np.ndarray:
        return PIXELS.images(np.ravel_multi_index(tuple(factors.T), GRID.sizes))

    def sample(self, count: int, generator: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        factors = self.sample_factors(count, generator)
        return factors, self.sample_observations_from_factors(factors, generator)

    def sample_observations(self, count: int, generator: np.random.RandomState) -> np.ndarray:
        return self.sample(count, generator)[1]


@pytest.fixture(scope="module")
def model() -> Objective:
    training = TrainingConfig(architecture="conv32")
    made = OBJECTIVES["beta_vae"](BetaVAEConfig(beta=1.0), training, channels=3, latents=5, seeds=[1], device="cpu")
    made.networks.eval().requires_grad_(False)
    return made


def _library_scores(metric: str, model: Objective) -> Callable[[int], float]:
    """The library's metric as a function of the seed; images are encoded whenever it asks for them."""
    library, votes = oracle.library(), SETTINGS.factor_vae

    @torch.no_grad()
    def represent(images: np.ndarray) -> np.ndarray:
        return model.posterior(torch.from_numpy(images).float().div(255)[None]).mean[0].numpy()

    def mig(generator: np.random.RandomState) -> Any:
        return library.mig.compute_mig(Images(), represent, generator, None, SETTINGS.mig.num_train)["discrete_mig"]

    def factor_vae(generator: np.random.RandomState) -> Any:
        counts = votes.batch_size, votes.num_train, votes.num_test, votes.num_variance
        return library.factor_vae.compute_factor_vae(Images(), represent, generator, None, *counts)["eval_accuracy"]

    chosen = {"mig": mig, "factor_vae": factor_vae}[metric]
    return lambda seed: chosen(np.random.RandomState(seed))


def test_codes_do_not_depend_on_the_batch(model: Objective) -> None:
    mixed = np.random.default_rng(0).permutation(ROWS)
    means, logvars = encode(model, PIXELS, ROWS)
    for whole, part in zip((means, logvars), encode(model, PIXELS, mixed[:700]), strict=True):
        assert np.allclose(whole[mixed[:700]], part, rtol=1e-4, atol=1e-6)


def test_codes_are_the_same_with_and_without_gradients(model: Objective) -> None:
    """Without gradients, activations are computed in place."""
    images = PIXELS.batch(ROWS[:64])[None]
    before = images.clone()
    with torch.no_grad():
        silent = model.posterior(images).mean
    assert torch.allclose(silent, model.posterior(images).mean, rtol=1e-4, atol=1e-6)
    assert torch.equal(images, before)


def test_encoding_reports_its_progress(model: Objective) -> None:
    heard = Heard()
    encode(model, PIXELS, ROWS[:1_100], progress=heard)
    assert heard.reports == [(0, 1_100), (512, 1_100), (1_024, 1_100)]


@pytest.mark.parametrize("metric", ["mig", "factor_vae"])
def test_scores_from_codes_encoded_once_have_the_distribution_of_freshly_encoded_ones(metric: str, model: Objective) -> None:
    pytest.importorskip("disentanglement_lib")
    coded = Coded(encode(model, PIXELS, ROWS)[0], GRID.factors_of(ROWS))
    with warnings.catch_warnings(action="ignore"):
        theirs = _library_scores(metric, model)
        anew = np.array([theirs(seed) for seed in range(REPEATS)])
    once = np.array([score(coded, [metric], settings=SETTINGS, seed=seed)[metric][metric] for seed in range(REPEATS)])
    assert np.std(anew) > 0
    assert abs(once.mean() - anew.mean()) < 4 * np.hypot(once.std(), anew.std()) / np.sqrt(REPEATS)
    assert ks_2samp(once, anew).pvalue > 1e-3


def test_scoring_only_the_required_images_gives_nearly_the_score_of_all_images(model: Objective) -> None:
    """Scores agree up to the rounding of matrix products, which depends on the batch."""
    metrics = ["mig", "factor_vae"]
    read = rows_to_encode(metrics, SETTINGS, GRID, seed=2)
    part, whole = (
        PartlyCoded(encode(model, PIXELS, read)[0], GRID, read),
        Coded(encode(model, PIXELS, ROWS)[0], GRID.factors_of(ROWS)),
    )
    found, expected = (score(coded, metrics, settings=SETTINGS, seed=2) for coded in (part, whole))
    for metric in metrics:
        assert found[metric] == pytest.approx(expected[metric], abs=0.02)


def _shrunk(images: np.ndarray) -> np.ndarray:
    """Encode without a network: 2 × 2 mean colours of an image, 3 channels each."""
    return images.reshape(len(images), 2, 16, 2, 16, 3).mean(axis=(2, 4)).reshape(len(images), -1)


@pytest.mark.parametrize(("metrics", "most"), [(["mig"], 300), (["factor_vae"], 680), (["mig", "factor_vae"], 780)])
def test_any_encoder_is_scored_as_if_it_had_encoded_all_images(metrics: list[str], most: int) -> None:
    heard, asked = Heard(), []

    def encoder(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        return _shrunk(images)

    found = score_encoder(encoder, Mini(), metrics, settings=SETTINGS, seed=3, progress=heard)
    coded = Coded(_shrunk(Mini().images(ROWS)), GRID.factors_of(ROWS))
    assert found == score(coded, metrics, settings=SETTINGS, seed=3)
    assert 0.85 * most < sum(asked) < most < len(ROWS)
    assert heard.reports == [(start, sum(asked)) for start in range(0, sum(asked), 512)]


def test_an_encoder_is_scored_with_fast_settings_on_request() -> None:
    coded = Coded(_shrunk(Mini().images(ROWS)), GRID.factors_of(ROWS))
    expected = score(coded, ["factor_vae"], fast=True)
    assert score_encoder(_shrunk, Mini(), ["factor_vae"], fast=True) == expected


def test_an_encoder_that_returns_no_codes_is_refused() -> None:
    with pytest.raises(UserError, match=r"must return codes \((\d+), latents\) for \1 images, got \(\1, 2, 2\)\."):
        score_encoder(lambda images: images[:, :2, :2, 0], Mini(), ["mig"], settings=SETTINGS)
