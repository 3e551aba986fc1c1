import random

import numpy as np
import pytest
import torch

from perturb.random.seeds import child_seed, numpy_generator, torch_generator

PATHS = [(), ("restart",), ("restart", 0), ("restart", 1), ("restart", 11), ("evaluation", 0), ("bootstrap",)]


def test_child_seeds_never_change() -> None:
    assert child_seed(2021, "restart", 7) == 8_785_531_312_630_944_409


def test_a_child_seed_depends_only_on_its_seed_and_path() -> None:
    alone = child_seed(5, "restart", 7)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    among_fifty = [child_seed(5, "restart", index) for index in range(50)]
    assert among_fifty[7] == alone


def test_child_seeds_differ_between_paths_and_seeds() -> None:
    seeds = [child_seed(seed, *path) for seed in range(50) for path in PATHS]
    assert len(set(seeds)) == len(seeds)


def test_child_seeds_fill_the_range_of_63_bits() -> None:
    seeds = [child_seed(0, index) for index in range(1_000)]
    assert min(seeds) >= 0
    assert 2**62 < max(seeds) < 2**63
    assert np.mean(seeds) == pytest.approx(2**62, rel=0.1)


def test_numpy_generators_draw_the_same_numbers_only_for_the_same_path() -> None:
    first, again, other = (numpy_generator(3, "noise", index).random(8) for index in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.isin(first, other).any()


def test_torch_generators_draw_the_same_numbers_only_for_the_same_path() -> None:
    first, again, other = (torch.rand(8, generator=torch_generator(3, "noise", index)) for index in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.isin(first, other).any()


def test_generators_do_not_affect_the_global_ones() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    torch.rand(5, generator=torch_generator(3, "noise"))
    assert torch.equal(torch.rand(3), expected)
