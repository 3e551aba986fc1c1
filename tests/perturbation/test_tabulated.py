import numpy as np
import pytest
import torch

from perturb.config import PerturbationConfig
from perturb.datasets import FactorGrid
from perturb.perturbation import tabulated
from perturb.perturbation.network import PerturbationNetwork
from perturb.perturbation.pattern import calibrate
from perturb.perturbation.tabulated import TOLERANCE, TabulatedPattern, patterns_of

LARGE = FactorGrid(("a", "b", "c"), (50, 40, 35))
EPSILON = 0.175
NUMBERS = np.random.default_rng(0).integers(0, LARGE.num_images, 500)


def _network(**settings: object) -> PerturbationNetwork:
    config = PerturbationConfig(
        epsilon=EPSILON, **({"generator": "deconv", "normalise_scalar": True, "spread": 1.0} | settings)
    )
    generator = torch.Generator().manual_seed(0)
    network = PerturbationNetwork(config, num_factors=3, image_shape=(32, 32, 1), architecture="conv32", generator=generator)
    calibrate(network, LARGE)
    return network


def _drawn(network: PerturbationNetwork, grid: FactorGrid, numbers: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(grid.scaled(numbers))).numpy()


@pytest.mark.parametrize(
    "settings", [{"spread": 3.0}, {"normalise_pattern": True}, {"generator": "coarse", "normalise_pattern": True}], ids=str
)
def test_tabulated_patterns_match_those_of_the_network(settings: dict) -> None:
    network = _network(**settings)
    patterns = patterns_of(network, LARGE, epsilon=EPSILON)
    assert isinstance(patterns, TabulatedPattern)
    drawn = _drawn(network, LARGE, NUMBERS)
    assert drawn.std(axis=0).max() > 0.02
    assert np.abs(patterns(NUMBERS) - drawn).max() * EPSILON * 255 < TOLERANCE


def test_the_ends_of_the_table_are_the_extreme_images() -> None:
    network = _network()
    with torch.no_grad():
        scalars = network.scalar(torch.from_numpy(LARGE.scaled(np.arange(LARGE.num_images))))[:, 0]
    ends = np.array([scalars.argmin().item(), scalars.argmax().item()])
    patterns = patterns_of(network, LARGE, epsilon=EPSILON)
    assert np.abs(patterns(ends) - _drawn(network, LARGE, ends)).max() < 1e-4


def test_an_images_pattern_does_not_depend_on_the_batch() -> None:
    patterns = patterns_of(_network(), LARGE, epsilon=EPSILON)
    assert np.abs(patterns(NUMBERS[:7]) - patterns(NUMBERS)[:7]).max() * EPSILON * 255 < 0.01


def test_a_small_grid_is_evaluated_image_by_image() -> None:
    small = FactorGrid(("a", "b", "c"), (5, 4, 3))
    network = _network()
    patterns = patterns_of(network, small, epsilon=EPSILON)
    assert not isinstance(patterns, TabulatedPattern)
    assert np.array_equal(patterns(np.arange(60)), _drawn(network, small, np.arange(60)))


def test_a_curve_too_irregular_for_a_table_is_evaluated_image_by_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabulated, "FIRST_KNOTS", 5)
    monkeypatch.setattr(tabulated, "MOST_KNOTS", 9)
    network = _network(spread=3.0)
    patterns = patterns_of(network, LARGE, epsilon=EPSILON)
    assert not isinstance(patterns, TabulatedPattern)
    assert np.array_equal(patterns(NUMBERS), _drawn(network, LARGE, NUMBERS))
