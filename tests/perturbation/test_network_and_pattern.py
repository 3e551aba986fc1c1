import numpy as np
import pytest
import torch

from perturb.config import PerturbationConfig
from perturb.datasets import DSprites, FactorGrid
from perturb.datasets.renderers.mini import Mini
from perturb.errors import UserError
from perturb.perturbation.bounds import apply_pattern
from perturb.perturbation.network import PerturbationNetwork, network_for
from perturb.perturbation.pattern import calibrate, measure
from perturb.perturbation.scalar import scalar_effects
from perturb.perturbation.tabulated import patterns_of
from perturb.perturbation.training import variation

GRID = Mini.grid


def _network(seed: int = 0, **settings: object) -> PerturbationNetwork:
    config = PerturbationConfig(
        epsilon=0.175, **({"generator": "coarse", "normalise_scalar": True, "spread": 1.0} | settings)
    )
    generator = torch.Generator().manual_seed(seed)
    return PerturbationNetwork(config, num_factors=4, image_shape=(32, 32, 3), architecture="conv32", generator=generator)


@pytest.mark.parametrize("generator", ["deconv", "coarse"])
def test_the_pattern_passes_through_one_neuron(generator: str) -> None:
    network = _network(generator=generator).eval()
    factors = torch.from_numpy(GRID.scaled(np.arange(0, 4096, 97)))
    assert network.scalar(factors).shape == (len(factors), 1)
    pattern = network(factors)
    assert pattern.shape == (len(factors), 32, 32, 3)
    assert torch.equal(pattern, network.enlarged(torch.tanh(network.drawn(network.scalar(factors)))))
    assert pattern.abs().max() <= 1


def test_the_deconv_generator_is_a_decoder_with_one_input() -> None:
    weights = [w.numel() for w in _network(generator="deconv").draw.parameters()]
    assert weights[:2] == [128, 128]


@pytest.mark.parametrize("generator", ["deconv", "coarse"])
@pytest.mark.parametrize("place", ["before", "after", "between"])
def test_the_bottleneck_neuron_is_placed_as_configured(generator: str, place: str) -> None:
    network = _network(generator=generator, bottleneck=place)
    first, second = {"deconv": (128, 512), "coarse": (256, 256)}[generator]
    widths = [layer.weight.shape[-2:] for layer in (*network.squeeze, *network.draw) if type(layer).__name__ == "Linear"]
    expected = {
        "before": [(4, 1), (1, first), (first, second)],
        "after": [(4, first), (first, 1), (1, second)],
        "between": [(4, 256), (256, 1), (1, first), (first, second)],
    }[place]
    assert [tuple(width) for width in widths][: len(expected)] == expected
    calibrate(network, GRID)
    factors = torch.from_numpy(GRID.scaled(np.arange(0, 4096, 97)))
    assert network(factors).shape == (len(factors), 32, 32, 3)
    assert (scalar_effects(network, GRID).linear > 0.999) == (place == "before")


def test_spread_initialises_the_layer_after_the_neuron() -> None:
    first = _network(spread=3.0).draw[0]
    assert 2.8 < first.weight.detach().abs().max() <= 3
    assert first.bias.detach().abs().max() > 2.5
    assert _network(spread=None).draw[0].bias.detach().abs().max() == 0


def test_calibration_standardises_the_scalar_over_the_data() -> None:
    network = _network()
    calibrate(network, GRID)
    scalar = network.scalar(torch.from_numpy(GRID.scaled(np.arange(4096))))
    assert scalar.mean().item() == pytest.approx(0, abs=1e-4)
    assert scalar.std().item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("generator", ["deconv", "coarse"])
def test_a_standardised_pattern_varies_in_every_value(generator: str) -> None:
    network = _network(generator=generator, normalise_pattern=True)
    calibrate(network, GRID)
    with torch.no_grad():
        pattern = network.coarse_pattern(torch.from_numpy(GRID.scaled(np.arange(0, 4096, 7))))
    assert pattern.std(dim=0).min() > 0.1
    assert measure(network, Mini(), GRID, epsilon=0.175, bound="reflect").variation > 0.7


def test_a_constant_pattern_has_no_variation() -> None:
    assert variation(torch.full((10, 3, 8, 8), 0.9)) == pytest.approx(0, abs=1e-6)
    assert variation(torch.zeros(4, 1)) == 0


def test_patterns_of_black_and_white_images_are_one_sided_and_still_vary() -> None:
    config = PerturbationConfig(epsilon=0.1, generator="coarse", normalise_scalar=True, normalise_pattern=True, spread=1.0)
    truth, numbers = DSprites(), np.arange(0, DSprites.grid.num_images, 1009)
    network = network_for(truth, config, architecture="conv64", generator=torch.Generator().manual_seed(0))
    calibrate(network, truth.grid)
    with torch.no_grad():
        pattern = network(torch.from_numpy(truth.grid.scaled(numbers)))
    assert pattern.min() >= 0
    assert pattern.max() <= 1
    assert pattern.std(dim=0).min() > 0.1
    images = truth.images(numbers)
    inwards = np.abs(apply_pattern(images, pattern.numpy(), epsilon=0.1, bound="reflect").astype(int) - images)
    assert np.abs(inwards - 25.5 * pattern.numpy()).max() <= 1


def test_weights_restore_their_range_and_older_weights_may_lack_the_later_buffers() -> None:
    one_sided, two_sided = _network(seed=1), _network(seed=2)
    one_sided.one_sided.fill_(True)
    two_sided.restore(one_sided.state_dict())
    assert two_sided.one_sided
    older = {name: value for name, value in _network().state_dict().items() if name not in ("scale", "shift", "one_sided")}
    two_sided.restore(older)
    assert not two_sided.one_sided
    assert (two_sided.scale, two_sided.shift) == (1, 0)
    with pytest.raises(RuntimeError, match="Missing key"):
        two_sided.restore({name: value for name, value in older.items() if name != "gain"})


def test_perturbed_images_keep_the_bound_and_are_reproducible() -> None:
    network, indices = _network(), np.arange(0, 4096, 31)
    calibrate(network, GRID)
    images, patterns = Mini().images(indices), patterns_of(network, GRID, epsilon=0.175)
    changed = apply_pattern(images, patterns(indices), epsilon=0.175, bound="reflect")
    assert changed.dtype == np.uint8
    assert changed.shape == images.shape
    assert 20 < np.abs(changed.astype(int) - images).max() <= 44
    alone = apply_pattern(images[5:6], patterns(indices[5:6]), epsilon=0.175, bound="reflect")
    assert np.abs(alone[0].astype(int) - changed[5]).max() <= 1


def test_factors_are_scaled_to_plus_minus_one() -> None:
    grid = FactorGrid(("a", "b", "c"), (3, 1, 5))
    scaled = grid.scaled(np.arange(15))
    assert scaled[:, 0].tolist()[::5] == [-1, 0, 1]
    assert scaled[:5, 2].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert np.abs(scaled[:, 1]).max() == 1


def test_a_decoder_for_another_image_size_is_refused() -> None:
    config = PerturbationConfig(epsilon=0.1, generator="deconv")
    with pytest.raises(UserError, match=r"decoder of mlp28 draws 28 × 28 images, and these are 32 pixels high"):
        network_for(Mini(), config, architecture="mlp28", generator=torch.Generator())
