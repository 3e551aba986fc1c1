"""The images that metrics need are known beforehand; encoding only those gives the scores of the whole grid."""

import numpy as np
import pytest
from metric_cases import SMALL

from perturb.config.metrics import BinnedConfig, MetricsConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.renderers.dsprites import DSprites
from perturb.errors import UserError
from perturb.metrics import METRICS, TABLE_METRICS, Coded, PartlyCoded, rows_to_encode, score

GRID = FactorGrid(("a", "b", "c", "d", "e"), (3, 5, 8, 9, 10))
ROWS = np.arange(GRID.num_images)
FACTORS = GRID.factors_of(ROWS)
CODES = FACTORS[:, :4] / 8 + 0.3 * np.random.default_rng(0).normal(size=(len(ROWS), 4))


@pytest.mark.parametrize("metrics", [*([name] for name in METRICS), TABLE_METRICS, list(METRICS)], ids="+".join)
def test_scores_from_the_required_images_equal_those_of_the_whole_grid(metrics: list[str]) -> None:
    read = rows_to_encode(metrics, SMALL, GRID, seed=5)
    assert len(read) < len(ROWS)
    part = score(PartlyCoded(CODES[read], GRID, read), metrics, settings=SMALL, seed=5)
    assert part == score(Coded(CODES, FACTORS), metrics, settings=SMALL, seed=5)


def test_each_required_image_is_listed_once_in_grid_order() -> None:
    read = rows_to_encode(TABLE_METRICS, MetricsConfig(), DSprites.grid, seed=0)
    assert (np.diff(read) > 0).all()
    # 15,000 votes of 64 images each draw an image 1.3 times on average and miss a share of exp(−1.3).
    assert len(read) / DSprites.grid.num_images == pytest.approx(0.73, abs=0.01)
    assert 14_700 < len(rows_to_encode(["mig", "dci"], MetricsConfig(), DSprites.grid, seed=0)) < 15_000


def test_a_small_grid_is_read_as_a_whole() -> None:
    small = FactorGrid(("a", "b"), (5, 10))
    assert rows_to_encode(["mig"], MetricsConfig(), small, seed=0).tolist() == list(range(50))


@pytest.mark.parametrize("metric", ["mig", "factor_vae", "beta_vae"])
def test_images_that_were_not_encoded_cannot_be_read(metric: str) -> None:
    read = rows_to_encode([metric], SMALL, GRID, seed=5)
    for kept in (read[:-1], read[1:]):
        with pytest.raises(IndexError, match="not encoded; encode what rows_to_encode says"):
            score(PartlyCoded(CODES[kept], GRID, kept), [metric], settings=SMALL, seed=5)


def test_batches_that_share_a_factor_are_the_same_from_a_grid_and_from_its_codes() -> None:
    coded, chosen = Coded(CODES, FACTORS), np.random.default_rng(1).integers(len(ROWS), size=300)
    for factor in range(GRID.num_factors):
        of_grid, of_codes = (
            found.sample_sharing_factor(chosen, factor, 7, np.random.default_rng(factor)) for found in (GRID, coded)
        )
        assert np.array_equal(of_grid, of_codes)
        assert (FACTORS[of_grid, factor] == FACTORS[chosen, factor][:, None]).all()


def test_a_draw_in_which_a_factor_is_constant_is_refused_in_one_sentence() -> None:
    settings = MetricsConfig(mig=BinnedConfig(num_train=2))
    with pytest.raises(UserError, match=r"in the 2 rows drawn, .* take only one value; .* draw more of them \(num_train"):
        score(Coded(CODES, FACTORS), ["mig"], settings=settings, seed=1)
