"""Sampled pairs follow the stated distributions."""

import math

import numpy as np
import pytest
import torch

from perturb.config.objectives import PairsConfig
from perturb.datasets import FactorGrid
from perturb.objectives.pairs import drawn_pairs, factors_of, indices_of, laplace_pairs, matched_pairs, uniform_pairs
from perturb.random.philox import CounterRNG

GRID = FactorGrid(("shape", "size", "one", "x"), (3, 6, 1, 20), unordered=("shape",))
COUNT = 40_000


def _factors(indices: torch.Tensor) -> np.ndarray:
    return GRID.factors_of(indices[0].numpy())


def test_indices_and_factors_match_the_grids() -> None:
    indices = torch.arange(GRID.num_images)[None]
    columns = factors_of(GRID, indices)
    assert np.array_equal(torch.stack(columns, dim=-1)[0].numpy(), GRID.factors_of(np.arange(GRID.num_images)))
    assert torch.equal(indices_of(GRID, columns), indices)


def test_laplace_pairs_follow_the_truncated_distribution() -> None:
    first, second = (_factors(indices) for indices in laplace_pairs(GRID, CounterRNG([1]), COUNT, rate=1.0))
    assert np.array_equal(first[:, [0, 2]], second[:, [0, 2]])
    assert (first != second).any(axis=1).all()
    present = 3
    chosen = second[first[:, 3] == present, 3]
    weights = np.exp(-np.abs(np.arange(20) - present) / math.log(20))
    expected = weights / weights.sum()
    # Pairs that differ in no factor are drawn again, so only values other than the present one follow the law exactly.
    others = np.arange(20) != present
    found = np.bincount(chosen, minlength=20)[others] / (chosen != present).sum()
    error = 5 * np.sqrt(expected[others] / others.sum() / (chosen != present).sum()) + 0.01
    assert (np.abs(found - expected[others] / expected[others].sum()) < error).all()


def test_a_higher_rate_moves_less_and_a_random_rate_lies_between() -> None:
    moves = {}
    for rate in (1.0, 10.0, None):
        first, second = (_factors(indices) for indices in laplace_pairs(GRID, CounterRNG([1]), COUNT, rate=rate))
        moves[rate] = np.abs(first - second)[:, 3].mean()
    assert moves[10.0] < moves[None] < moves[1.0]


def test_uniform_pairs_change_at_least_one_factor_and_not_all() -> None:
    first, second = (_factors(indices) for indices in uniform_pairs(GRID, CounterRNG([1]), COUNT))
    changed = first != second
    assert np.bincount(changed.sum(axis=1), minlength=4)[:4] / COUNT == pytest.approx([0, 0.5, 0.5, 0], abs=0.01)
    assert changed[:, [0, 1, 3]].mean(axis=0) == pytest.approx([0.5] * 3, abs=0.01)
    shapes = second[changed[:, 0] & (first[:, 0] == 1), 0]
    assert np.bincount(shapes, minlength=3) / len(shapes) == pytest.approx([0.5, 0, 0.5], abs=0.02)


def test_matched_pairs_share_the_labelled_factor() -> None:
    first, second, shared = matched_pairs(GRID, CounterRNG([1]), COUNT)
    same = _factors(first) == _factors(second)
    assert same[np.arange(COUNT), shared[0].numpy()].all()
    apart = shared[0].numpy() != 3
    assert same[apart, 3].mean() == pytest.approx(1 / 20, abs=0.01)
    assert np.bincount(shared[0].numpy()) / COUNT == pytest.approx([0.25] * 4, abs=0.01)


@pytest.mark.parametrize("config", [PairsConfig(), PairsConfig(rate="random"), PairsConfig(law="uniform")])
def test_pairs_stay_on_the_grid_and_are_the_same_alone_and_stacked(config: PairsConfig) -> None:
    among, alone = (drawn_pairs(GRID, CounterRNG(seeds), 50, config) for seeds in ([1, 2, 3], [2]))
    for together, single in zip(among, alone, strict=True):
        assert together.shape == (3, 50)
        assert together.min() >= 0
        assert together.max() < GRID.num_images
        assert torch.equal(together[1:2], single)
