import math

import numpy as np
import pytest
import torch
from scipy import stats

from perturb.random.philox import STEPS_AT_ONCE, CounterRNG, philox

SEEDS = [3, 2**63 + 5, 11]


def _words(*values: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor([value]) for value in values)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(counter: tuple, key: tuple, expected: tuple) -> None:
    assert tuple(word.item() for word in philox(_words(*counter), _words(*key))) == expected


def test_a_restart_draws_the_same_numbers_alone_and_stacked() -> None:
    among, alone = CounterRNG(SEEDS), CounterRNG(SEEDS[1:2])
    for step in (0, 1, STEPS_AT_ONCE, 1_000):
        among.set_step(step)
        alone.set_step(step)
        assert torch.equal(among.normal("z", 4, 5)[1], alone.normal("z", 4, 5)[0])
        assert torch.equal(among.integers("batch", 737_280, 64)[1], alone.integers("batch", 737_280, 64)[0])


def test_a_step_draws_the_same_numbers_whatever_was_drawn_before() -> None:
    through, straight = CounterRNG(SEEDS), CounterRNG(SEEDS)
    for step in range(150):
        through.set_step(step)
        found = through.uniform("u", 3)
    straight.set_step(149)
    assert torch.equal(found, straight.uniform("u", 3))
    straight.set_step(7)
    again = straight.uniform("u", 3)
    straight.set_step(149)
    assert torch.equal(found, straight.uniform("u", 3))
    assert not torch.equal(found, again)


def test_steps_names_and_restarts_draw_different_numbers() -> None:
    draws = CounterRNG(SEEDS)
    a = draws.uniform("a", 100)
    b = draws.uniform("b", 100)
    draws.set_step(1)
    later = draws.uniform("a", 100)
    rows = torch.cat([a, b, later])
    assert len(torch.unique(rows, dim=0)) == len(rows)


def test_normals_are_normal_and_uniforms_uniform() -> None:
    draws = CounterRNG([1])
    normal, uniform = draws.normal("z", 40_000).flatten(), draws.uniform("u", 40_000).flatten()
    assert stats.kstest(normal.numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(uniform.numpy(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(normal[0::2], normal[1::2])[0, 1]) < 0.03
    assert (normal.dtype, uniform.dtype) == (torch.float32, torch.float32)
    assert uniform.min() >= 0
    assert uniform.max() < 1


def test_a_single_number_per_step_is_normal_too() -> None:
    found = torch.cat([CounterRNG([seed]).normal("z", 1) for seed in range(2_000)]).flatten()
    assert stats.kstest(found.numpy(), "norm").pvalue > 1e-3


def test_integers_are_uniform_over_their_range() -> None:
    found = CounterRNG([1]).integers("i", 7, 70_000).flatten()
    assert (found.min(), found.max()) == (0, 6)
    assert stats.chisquare(np.bincount(found.numpy())).pvalue > 1e-3


def test_permutations_are_valid_distinct_and_uniform() -> None:
    found = CounterRNG(SEEDS).permutations("p", 5, 64)
    assert found.shape == (3, 5, 64)
    assert torch.equal(found.sort(dim=-1).values, torch.arange(64).expand(3, 5, 64))
    assert len(torch.unique(found.flatten(0, 1), dim=0)) == 15
    positions = torch.cat([CounterRNG([seed]).permutations("p", 1, 4) for seed in range(2_000)])[:, 0, 0]
    assert stats.chisquare(np.bincount(positions.numpy(), minlength=4)).pvalue > 1e-3


def test_the_shape_may_be_empty() -> None:
    assert CounterRNG(SEEDS).uniform("u").shape == (3,)
    assert math.isfinite(CounterRNG([1]).normal("z").item())
