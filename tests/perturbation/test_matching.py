import numpy as np
import pytest
import torch

from perturb.config import PerturbationConfig
from perturb.datasets.renderers.mini import Mini
from perturb.perturbation.matching import Goal, control_of, match, matched_levels
from perturb.perturbation.network import PerturbationNetwork, network_for
from perturb.perturbation.pattern import calibrate, calibrate_scalar, measure
from perturb.perturbation.stored import Probe
from perturb.variants import Redraw

MINI = Mini()
BOUNDS = {"epsilon": 0.25, "bound": "reflect"}
CONFIG = PerturbationConfig(epsilon=0.25, generator="coarse", normalise_scalar=True, normalise_pattern=True, spread=1.0)
FACTORS = torch.from_numpy(MINI.grid.scaled(np.arange(0, 4096, 31)))


def _network(seed: int, config: PerturbationConfig = CONFIG) -> PerturbationNetwork:
    network = network_for(MINI, config, architecture="conv32", generator=torch.Generator().manual_seed(seed))
    calibrate(network, MINI.grid)
    return network


@pytest.mark.parametrize("redraw", ["both", "curve", "scalar"])
def test_a_control_matches_the_variance_and_the_roughness_of_the_trained_pattern(redraw: Redraw) -> None:
    trained = _network(0)
    wanted = measure(trained, MINI, MINI.grid, **BOUNDS)
    goal = Goal(variance=wanted.variance, roughness=wanted.roughness)
    control = control_of(trained, _network(2), MINI.grid, redraw=redraw)
    found = match(control, MINI, MINI.grid, goal, **BOUNDS, centre=redraw != "scalar")
    assert found.variance == pytest.approx(wanted.variance, rel=0.02)
    assert found.roughness == pytest.approx(wanted.roughness, rel=0.02)
    assert found == measure(control, MINI, MINI.grid, **BOUNDS)


def test_a_redrawn_curve_keeps_the_scalar_and_a_redrawn_scalar_keeps_the_curve() -> None:
    trained, fresh = _network(0), _network(2)
    curve, scalar, both = (control_of(trained, fresh, MINI.grid, redraw=part) for part in ("curve", "scalar", "both"))
    marks = torch.linspace(-2, 2, 50)[:, None]
    with torch.no_grad():
        assert torch.allclose(curve.scalar(FACTORS), trained.scalar(FACTORS), atol=1e-5)
        assert torch.equal(scalar.pattern_of(marks), trained.pattern_of(marks))
        assert not torch.allclose(curve.pattern_of(marks), trained.pattern_of(marks), atol=0.1)
        for control in (scalar, both):
            assert torch.allclose(control.scalar(FACTORS), fresh.scalar(FACTORS), atol=1e-3)


def test_a_redrawn_scalar_keeps_the_trained_mean_and_spread_when_it_is_not_standardised() -> None:
    config = CONFIG.model_copy(update={"normalise_scalar": False})
    trained, fresh = _network(0, config), _network(2, config)
    with torch.no_grad():
        trained.squeeze[2].weight.mul_(3)
        trained.squeeze[2].bias.add_(2)
        calibrate_scalar(trained, MINI.grid)
        every = torch.from_numpy(MINI.grid.scaled(np.arange(4096)))
        wanted, found = trained.scalar(every), control_of(trained, fresh, MINI.grid, redraw="scalar").scalar(every)
    assert found.mean().item() == pytest.approx(wanted.mean().item(), abs=1e-3)
    assert found.std().item() == pytest.approx(wanted.std().item(), rel=1e-3)


@pytest.mark.parametrize(("roughness", "nearer"), [(30.0, 1.25), (0.01, 1.0)])
def test_the_variance_is_matched_even_where_the_roughness_is_out_of_reach(roughness: float, nearer: float) -> None:
    control = control_of(_network(0), _network(2), MINI.grid, redraw="both")
    found = match(control, MINI, MINI.grid, Goal(variance=0.3, roughness=roughness), **BOUNDS, centre=True)
    assert found.variance == pytest.approx(0.3, rel=0.03)
    assert (found.roughness > nearer) == (roughness > nearer)


def test_a_control_can_be_matched_on_black_and_white_images() -> None:
    from perturb.datasets import DSprites

    sprites, networks = DSprites(), []
    for seed in (0, 2):
        generator = torch.Generator().manual_seed(seed)
        networks.append(network_for(sprites, CONFIG, architecture="conv64", generator=generator))
        calibrate(networks[-1], sprites.grid)
    wanted = measure(networks[0], sprites, sprites.grid, **BOUNDS)
    goal = Goal(variance=wanted.variance, roughness=wanted.roughness)
    control = control_of(*networks, sprites.grid, redraw="both")
    found = match(control, sprites, sprites.grid, goal, **BOUNDS, centre=True)
    assert found.variance == pytest.approx(wanted.variance, rel=0.03)


@pytest.mark.parametrize("variance", [0.05, 0.3])
def test_matched_levels_have_the_requested_variance(variance: float) -> None:
    probe = Probe(MINI, MINI.grid, **BOUNDS, sample=500, steps=1, values=500)
    low, high = matched_levels(probe, variance)
    assert low == -high
    assert high <= 63
    assert probe.variance_of_two(low, high) == pytest.approx(variance, rel=0.1)
