"""The polarized regime of posteriors and decoders with known answers."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from perturb.analysis.polarized import reconstruction_split, share_below, units_of

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(64, size=(70, 2, 2, 1))) / 255


def _split(slope: float, bend: float, sigma: float, draws: int = 400) -> tuple[float, float, float, float]:
    """Split the loss of mean images 1/2 + slope · z + bend · z² in every pixel, for a single latent z ~ N(0, σ²)."""

    def decoder(codes: Tensor) -> Tensor:
        return (0.5 + slope * codes + bend * codes.square())[..., None, None].expand(-1, 2, 2, 1)

    batches = [
        (part, torch.zeros(len(part), 1), torch.full((len(part), 1), 2 * math.log(sigma))) for part in IMAGES.split(32)
    ]
    found = reconstruction_split(decoder, batches, draws=draws, generator=torch.Generator().manual_seed(0))
    return found.total, found.deterministic, found.stochastic, found.missing


def test_the_loss_terms_of_a_linear_decoder_are_those_of_proposition_4() -> None:
    total, deterministic, stochastic, missing = _split(slope=0.5, bend=0, sigma=0.1)
    assert deterministic == pytest.approx(((IMAGES - 0.5) ** 2).sum(dim=(1, 2, 3)).mean().item(), rel=1e-5)
    assert stochastic == pytest.approx(4 * (0.5 * 0.1) ** 2, rel=0.03)
    assert total == pytest.approx(deterministic + stochastic, rel=0.01)
    assert abs(missing) < 0.3 * stochastic


def test_a_curved_decoder_is_biased_and_the_loss_terms_miss_the_bias() -> None:
    """E[d(z)] − d(μ) = bend · σ², so that 2 · bend · σ² · Σ (1/2 − x) is missing."""
    _, _, stochastic, missing = _split(slope=0, bend=2.0, sigma=0.1)
    assert stochastic == pytest.approx(4 * 3 * (2.0 * 0.1**2) ** 2, rel=0.1)
    expected = 2 * 2.0 * 0.1**2 * (0.5 - IMAGES).sum(dim=(1, 2, 3)).mean().item()
    assert abs(expected) > 1e-4
    assert missing == pytest.approx(expected, rel=0.1)


def test_units_are_classified_as_precise_or_moving() -> None:
    means = np.array([[1.0, 0.0, 0.2], [-1.0, 0.0, -0.2]], dtype=np.float32)
    found = units_of(means, np.log(np.array([[0.01, 1.0, 0.5]] * 2, dtype=np.float32)))
    assert found.posterior_variances == pytest.approx([0.01, 1, 0.5])
    assert found.mean_variances == pytest.approx([1, 0, 0.04])
    assert found.precise.tolist() == [True, False, True]
    assert found.moving.tolist() == [True, False, False]
    assert found.polarized_kl == pytest.approx(-0.5 * math.log(0.01))
    assert found.kl == pytest.approx(found.polarized_kl + 0.005 + 0.5 * (0.04 + 0.5 - math.log(0.5) - 1), rel=1e-5)
    assert found.delta_kl == pytest.approx(1 - found.polarized_kl / found.kl)


@pytest.mark.parametrize(
    ("errors", "share"),
    [
        ([0.5, 0.02, 0.01, 0.01], 0.75),
        ([0.01, 0.01, 0.05, 0.01], 0.25),
        ([0.01, 0.01, 0.01, 0.03], 0.0),
        ([0.01, 0.01, 0.01, 0.01], 1.0),
        ([np.nan, np.nan, 0.01, 0.01], 0.5),
    ],
)
def test_the_share_of_a_training_counts_from_the_last_point_above_the_limit(errors: list[float], share: float) -> None:
    assert share_below(np.array([10.0, 20, 30, 40]), np.array(errors)) == share
