import numpy as np
import pytest
import torch

from perturb.config import PerturbationConfig
from perturb.datasets.renderers.mini import Mini
from perturb.perturbation.matching import Goal, control_of, match
from perturb.perturbation.network import PerturbationNetwork, network_for
from perturb.perturbation.pattern import calibrate, measure
from perturb.perturbation.pooling import pooled
from perturb.perturbation.span import HELD, confine, principal_directions

MINI = Mini()
BOUNDS = {"epsilon": 0.25, "bound": "reflect"}
CONFIG = PerturbationConfig(epsilon=0.25, generator="coarse", normalise_scalar=True, normalise_pattern=True, spread=1.0)
FACTORS = torch.from_numpy(MINI.grid.scaled(np.arange(0, 4096, 31)))


def _fresh(seed: int) -> PerturbationNetwork:
    return network_for(MINI, CONFIG, architecture="conv32", generator=torch.Generator().manual_seed(seed))


def _outside(values: torch.Tensor) -> float:
    """Share of the variance of (n, values) outside the principal directions of the images."""
    directions, centred = principal_directions(MINI, MINI.grid), values - values.mean(dim=0)
    return 1 - ((centred @ directions.T).square().sum() / centred.square().sum()).item()


def test_the_principal_directions_are_the_fewest_that_explain_the_required_share() -> None:
    directions = principal_directions(MINI, MINI.grid)
    assert torch.allclose(directions @ directions.T, torch.eye(len(directions)), atol=1e-5)
    cells = pooled(torch.from_numpy(MINI.images(np.arange(4096)).astype(np.float32) / 255))
    assert 0 < _outside(cells) <= 1 - HELD
    all_but_one = (cells - cells.mean(dim=0)) @ directions[:-1].T
    assert all_but_one.square().sum() / (cells - cells.mean(dim=0)).square().sum() < HELD


def test_a_confined_network_draws_the_projection_of_its_pattern_onto_the_span() -> None:
    network, confined = _fresh(2), _fresh(2)
    assert confine(confined, MINI, MINI.grid) == len(principal_directions(MINI, MINI.grid))
    with torch.no_grad():
        before, after = (one.drawn(one.neuron(FACTORS)).flatten(1) for one in (network, confined))
    assert _outside(before) > 0.5
    assert _outside(after) == pytest.approx(0, abs=1e-5)
    directions = principal_directions(MINI, MINI.grid)
    assert torch.allclose(before @ directions.T, after @ directions.T, atol=1e-4)


def test_a_control_in_the_span_is_matched_and_stays_near_the_span() -> None:
    trained, free, confined = _fresh(0), _fresh(2), _fresh(2)
    calibrate(trained, MINI.grid)
    wanted = measure(trained, MINI, MINI.grid, **BOUNDS)
    confine(confined, MINI, MINI.grid)
    outside = []
    for fresh in (free, confined):
        control = control_of(trained, fresh, MINI.grid, redraw="both")
        goal = Goal(variance=wanted.variance, roughness=wanted.roughness)
        found = match(control, MINI, MINI.grid, goal, **BOUNDS, centre=True)
        assert found.variance == pytest.approx(wanted.variance, rel=0.02)
        assert found.roughness == pytest.approx(wanted.roughness, rel=0.02)
        with torch.no_grad():
            outside.append(_outside(control.coarse_pattern(FACTORS).flatten(1)))
    assert outside[1] < 0.5 * outside[0]
