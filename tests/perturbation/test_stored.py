import math

import numpy as np
import pytest
import torch

from perturb.config import PerturbationConfig
from perturb.datasets import DSprites, FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.mini import Mini
from perturb.perturbation.bounds import apply_pattern
from perturb.perturbation.network import PerturbationNetwork
from perturb.perturbation.pattern import calibrate, measure
from perturb.perturbation.stored import PatternStatistics, Probe

EPSILON = 0.25
MINI = Mini()
SPRITES = DSprites()


def _network(truth: Mini | DSprites, *, seed: int = 0, one_sided: bool = False) -> PerturbationNetwork:
    config = PerturbationConfig(
        epsilon=EPSILON, generator="coarse", normalise_scalar=True, normalise_pattern=True, spread=1.0
    )
    network = PerturbationNetwork(
        config, num_factors=truth.grid.num_factors, image_shape=truth.image_shape, architecture="conv32",
        generator=torch.Generator().manual_seed(seed), one_sided=one_sided,
    )  # fmt: skip
    calibrate(network, truth.grid)
    return network


@torch.no_grad()
def _patterns(network: PerturbationNetwork, grid: FactorGrid, numbers: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(grid.scaled(numbers))).numpy()


def test_the_statistics_are_those_of_the_stored_images() -> None:
    network, numbers = _network(MINI), np.arange(4096)
    images = MINI.images(numbers)
    stored = apply_pattern(images, _patterns(network, MINI.grid, numbers), epsilon=EPSILON, bound="reflect")
    change = (stored.astype(float) - images) / 255
    found = measure(network, MINI, MINI.grid, epsilon=EPSILON, bound="reflect")
    assert found.variance == pytest.approx(change.var(axis=0).mean() / EPSILON**2)
    assert found.mean_square == pytest.approx(np.square(change).mean() / EPSILON**2)
    assert found.share == pytest.approx(change.var(axis=0).sum() / (images / 255).var(axis=0).sum())
    on_grid = change.reshape(*MINI.grid.sizes, -1)
    steps = [np.square(np.diff(on_grid, axis=k)).mean() for k in range(4)]
    assert found.local == pytest.approx(sum(steps) / EPSILON**2)
    assert found.roughness == found.local / found.variance
    pattern = _patterns(network, MINI.grid, numbers).astype(float)
    assert found.drawn_variation == pytest.approx(pattern.var(axis=0).mean() / np.square(pattern).mean())
    assert found.variation == min(found.variance / found.mean_square, found.drawn_variation)
    assert found == measure(network, Pixels(images), MINI.grid, epsilon=EPSILON, bound="reflect")


def test_statistics_of_a_large_grid_are_estimated_from_a_sample() -> None:
    network = _network(SPRITES, one_sided=True)
    found = measure(network, SPRITES, SPRITES.grid, epsilon=EPSILON, bound="reflect")
    probe = Probe(SPRITES, SPRITES.grid, epsilon=EPSILON, bound="reflect")
    assert (probe.sample, len(probe.steps)) == (2048, 4 + (SPRITES.grid.sizes[0] > 1))
    assert len(probe.numbers) <= 2048 + 5 * 384
    for first, second in probe.steps:
        step = SPRITES.grid.factors_of(probe.numbers[second]) - SPRITES.grid.factors_of(probe.numbers[first])
        assert (np.abs(step).sum(axis=1) == 1).all()
        assert (step.sum(axis=1) == 1).all()
    others = np.random.default_rng(1).choice(SPRITES.grid.num_images, 4000, replace=False)
    pattern = _patterns(network, SPRITES.grid, others)
    assert found.variance == pytest.approx(pattern.var(axis=0).mean(), rel=0.05)


def test_on_black_and_white_images_only_the_absolute_value_of_the_pattern_remains() -> None:
    network = _network(SPRITES)
    probe = Probe(SPRITES, SPRITES.grid, epsilon=EPSILON, bound="reflect")
    pattern = _patterns(network, SPRITES.grid, probe.numbers[: probe.sample])
    found = measure(network, SPRITES, SPRITES.grid, epsilon=EPSILON, bound="reflect")
    assert found.variance == pytest.approx(np.abs(pattern).var(axis=0).mean(), rel=0.01)
    assert found.variance < pattern.var(axis=0).mean() / 3


def test_a_saturated_two_sided_pattern_counts_as_collapsed_on_black_and_white_images() -> None:
    network = _network(SPRITES)
    network.gain.fill_(1e6)
    pattern = _patterns(network, SPRITES.grid, np.arange(0, SPRITES.grid.num_images, 1009))
    assert pattern.var(axis=0).mean() > 0.5
    assert measure(network, SPRITES, SPRITES.grid, epsilon=EPSILON, bound="reflect").variation < 0.01
    assert measure(_network(SPRITES, one_sided=True), SPRITES, SPRITES.grid, epsilon=0.1, bound="reflect").variation > 0.3


def test_shares_are_zero_where_nothing_varies() -> None:
    nothing = PatternStatistics(variance=0.0, mean_square=0.0, local=0.0, share=0.0, drawn_variation=0.0)
    assert (nothing.variation, nothing.roughness) == (0, 0)
    grey = Pixels(np.full((4, 8, 8, 1), 99, np.uint8))
    probe = Probe(grey, FactorGrid(("a", "b"), (2, 2)), epsilon=0.2, bound="reflect")
    found = probe.statistics(lambda rows: torch.ones(rows.stop - rows.start, 64))
    expected = PatternStatistics(variance=0.0, mean_square=1.0, local=0.0, share=0.0, drawn_variation=0.0)
    assert found == expected


def test_a_constant_pattern_counts_as_collapsed_though_reflection_makes_it_vary_with_the_image() -> None:
    probe = Probe(MINI, MINI.grid, epsilon=EPSILON, bound="reflect", sample=500, steps=10)
    found = probe.statistics(lambda rows: torch.full(probe.originals[rows].shape, 0.9))
    assert found.variance > 0.05
    assert found.variation < 1e-6


@pytest.mark.parametrize(("truth", "levels"), [(MINI, (-20, 20)), (MINI, (-63, 63)), (SPRITES, (0, 40))])
def test_the_variance_of_two_levels_equals_that_of_random_draws(truth: Mini | DSprites, levels: tuple[int, int]) -> None:
    probe = Probe(truth, truth.grid, epsilon=EPSILON, bound="reflect", sample=1000, steps=1)
    draws = np.random.default_rng(0).choice(levels, probe.originals.shape) / (255 * EPSILON)
    drawn = probe.statistics(lambda rows: torch.from_numpy(draws[rows]).float())
    assert probe.variance_of_two(*levels) == pytest.approx(drawn.variance, rel=0.01)


def test_statistics_can_be_estimated_from_a_subset_of_the_values() -> None:
    whole, part = (Probe(MINI, MINI.grid, epsilon=EPSILON, bound="clip", values=values) for values in (None, 500))
    assert part.originals.shape == (4096, 500)
    assert np.array_equal(whole.originals[:, part.places], part.originals)
    assert math.isclose(part.total / 500, whole.total / 3072, rel_tol=0.1)
