"""Properties shared by all methods. Those of single methods are tested in separate files."""

import math

import numpy as np
import pytest
import torch
from mini_images import mini_pixels

from perturb.config import ObjectiveConfig, TrainingConfig
from perturb.config.objectives import (
    OBJECTIVE_KINDS,
    AnnealedVAEConfig,
    AutoencoderConfig,
    BetaTCVAEConfig,
    BetaVAEConfig,
    DIPVAEConfig,
    FactorVAEConfig,
    FallingBetaVAEConfig,
    FullCovarianceVAEConfig,
    PCLConfig,
    SlowVAEConfig,
    VAEConfig,
    WeaklySupervisedGANConfig,
)
from perturb.datasets import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.datasets.renderers.mini import Mini
from perturb.objectives import OBJECTIVES, Objective
from perturb.random.philox import CounterRNG

CONFIGS: dict[str, ObjectiveConfig] = {
    "autoencoder": AutoencoderConfig(),
    "vae": VAEConfig(),
    "beta_vae": BetaVAEConfig(beta=2.0),
    "falling_beta_vae": FallingBetaVAEConfig(first_beta=8.0, hold=1, fall=2),
    "full_covariance_vae": FullCovarianceVAEConfig(beta=2.0),
    "beta_tc_vae": BetaTCVAEConfig(beta=3.0),
    "factor_vae": FactorVAEConfig(gamma=5.0),
    "annealed_vae": AnnealedVAEConfig(gamma=10.0, annealing_steps=200),
    "dip_vae": DIPVAEConfig(),
    "slow_vae": SlowVAEConfig(),
    "pcl": PCLConfig(),
    "weakly_supervised_gan": WeaklySupervisedGANConfig(),
}
TRAINING = TrainingConfig(architecture="conv32", learning_rate=1e-3)
SEEDS = [5, 6, 7]
PIXELS = mini_pixels()


def _objective(config: ObjectiveConfig, seeds: list[int], training: TrainingConfig = TRAINING) -> Objective:
    return OBJECTIVES[config.kind](config, training, channels=3, latents=4, seeds=seeds, device="cpu")


def _images(count: int, restarts: int = 1) -> torch.Tensor:
    return PIXELS.batch(np.arange(restarts * count).reshape(restarts, count) * 37 % 4096)


def _updated(objective: Objective, draws: CounterRNG, step: int, size: int = 8) -> dict[str, torch.Tensor]:
    draws.set_step(step)
    return objective.update(PIXELS.batch(objective.batch(draws, Mini.grid, size)), draws)


def _weights(objective: Objective, restart: int = 0) -> torch.Tensor:
    return torch.cat([w[restart].detach().reshape(-1) for w in objective.networks.parameters()])


def test_every_method_is_tested() -> None:
    assert set(CONFIGS) == set(OBJECTIVES) == set(OBJECTIVE_KINDS)
    assert all(config.kind == kind for kind, config in CONFIGS.items())


def _losses_on_a_tiny_set(kind: str) -> list[float]:
    """Losses of a hundred updates on sixteen scenes that differ in two hues."""
    torch.set_num_threads(1)
    grid = FactorGrid(("a", "b"), (4, 4))
    chosen = np.array([[512 * 2 * a + 64 * 2 * b for b in range(4)] for a in range(4)]).ravel()
    pixels = Pixels(PIXELS.images(chosen))
    training = TRAINING.model_copy(update={"learning_rate": 2e-3})
    objective = OBJECTIVES[kind](CONFIGS[kind], training, channels=3, latents=2, seeds=SEEDS[:1], device="cpu")
    draws, losses = CounterRNG(SEEDS[:1]), []
    for step in range(100):
        draws.set_step(step)
        losses.append(objective.update(pixels.batch(objective.batch(draws, grid, 8)), draws)["loss"].item())
    return losses


@pytest.mark.parametrize("kind", [kind for kind in OBJECTIVES if kind != "weakly_supervised_gan"])
def test_a_hundred_steps_on_a_tiny_set_lower_the_loss(kind: str) -> None:
    losses = _losses_on_a_tiny_set(kind)
    first, last = np.mean(losses[:5]), np.mean(losses[-20:])
    assert last < 0.85 * first


def test_the_gans_encoder_soon_beats_the_entropy_of_the_code_prior() -> None:
    """Its loss need not fall, because its inputs come from a generator that keeps changing."""
    of_the_law = 2 * 0.5 * (math.log(2 * math.pi) + 1)
    assert np.mean(_losses_on_a_tiny_set("weakly_supervised_gan")[50:]) < of_the_law - 0.2


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_a_restart_has_the_same_gradients_alone_and_stacked(kind: str) -> None:
    found = []
    for seeds in (SEEDS, SEEDS[1:2]):
        objective, mine = _objective(CONFIGS[kind], seeds), seeds.index(SEEDS[1])
        terms = _updated(objective, CounterRNG(seeds), 0)
        gradients = [w.grad[mine].reshape(-1) for w in objective.networks.parameters() if w.grad is not None]
        found.append((torch.cat(gradients), torch.stack([value[mine] for value in terms.values()])))
    for together, alone in zip(*found, strict=True):
        assert torch.allclose(together, alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [3, 4, 16, 50])
def test_equal_gradients_give_bit_identical_steps_alone_and_stacked(size: int) -> None:
    """Sizes include ones that fill the processor's vector registers and ones that do not."""
    objective = _objective(CONFIGS["beta_vae"], SEEDS)
    generator = torch.Generator().manual_seed(0)
    start, gradients = torch.randn(3, size, generator=generator), torch.randn(5, 3, size, generator=generator)
    found = []
    for chosen in (slice(0, 3), slice(1, 2)):
        weight = torch.nn.Parameter(start[chosen].clone())
        adam = objective.new_adam([weight], 1e-3)
        for gradient in gradients:
            weight.grad = gradient[chosen].clone()
            adam.step()
        found.append(weight.detach())
    assert torch.equal(found[0][1:2], found[1])


@pytest.mark.parametrize("kind", sorted(set(OBJECTIVES) - {"pcl", "weakly_supervised_gan"}))
def test_a_restart_is_the_same_alone_and_stacked(kind: str) -> None:
    """A few weights differ, because Adam turns the rounding errors of zero gradients into full steps. Methods with a
    batch norm are left out, as many more of their weights differ.
    """
    found = []
    for seeds in (SEEDS, SEEDS[1:2]):
        objective, draws, mine = _objective(CONFIGS[kind], seeds), CounterRNG(seeds), seeds.index(SEEDS[1])
        for step in range(5):
            terms = _updated(objective, draws, step)
        found.append((_weights(objective, mine), torch.stack([value[mine] for value in terms.values()])))
    (weights, terms), (alone_weights, alone_terms) = found
    assert torch.allclose(terms, alone_terms, rtol=1e-3, atol=1e-4)
    assert ((weights - alone_weights).abs() > 1e-4).float().mean() < 1e-3


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_the_same_seed_gives_the_same_weights(kind: str) -> None:
    first, second = _objective(CONFIGS[kind], SEEDS[:1]), _objective(CONFIGS[kind], SEEDS[:1])
    for objective in (first, second):
        draws = CounterRNG(SEEDS[:1])
        for step in range(3):
            _updated(objective, draws, step)
    assert torch.equal(_weights(first), _weights(second))


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_every_trainable_weight_is_updated(kind: str) -> None:
    objective, draws = _objective(CONFIGS[kind], SEEDS[:1]), CounterRNG(SEEDS[:1])
    before = {name: w.detach().clone() for name, w in objective.networks.named_parameters() if w.requires_grad}
    for step in range(3):
        _updated(objective, draws, step)
    still = {n for n, w in objective.networks.named_parameters() if w.requires_grad and torch.equal(before[n], w)}
    unread = {"autoencoder", "pcl"}
    assert still == ({n for n in before if ".logvar." in n} if kind in unread else set())


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_in_evaluation_mode_codes_depend_only_on_their_own_image(kind: str) -> None:
    objective, draws = _objective(CONFIGS[kind], SEEDS[:1]), CounterRNG(SEEDS[:1])
    _updated(objective, draws, 0)
    objective.networks.eval()
    images = _images(6)
    with torch.no_grad():
        together, alone = objective.posterior(images), objective.posterior(images[:, :1])
    assert together.mean.shape == together.logvar.shape == (1, 6, 4)
    assert torch.allclose(together.mean[:, :1], alone.mean, atol=1e-5)
    assert torch.allclose(together.logvar[:, :1], alone.logvar, atol=1e-5)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_restarts_do_not_affect_each_other(kind: str) -> None:
    """NaN weights in one restart leave the others unchanged."""
    objectives = [_objective(CONFIGS[kind], SEEDS) for _ in range(2)]
    assert not torch.equal(_weights(objectives[0], 0), _weights(objectives[0], 2))
    with torch.no_grad():
        for weight in objectives[1].networks.parameters():
            weight[1].fill_(float("nan"))
    for objective in objectives:
        draws = CounterRNG(SEEDS)
        for step in range(2):
            _updated(objective, draws, step)
    for restart in (0, 2):
        assert torch.equal(*(_weights(objective, restart) for objective in objectives))


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_losses_and_codes_stay_in_float32_and_close_under_bfloat16(kind: str) -> None:
    half = _objective(CONFIGS[kind], SEEDS[:1], TRAINING.model_copy(update={"precision": "bfloat16"}))
    full = _objective(CONFIGS[kind], SEEDS[:1])
    assert half.posterior(_images(8)).mean.dtype == torch.float32
    a, b = (_updated(o, CounterRNG(SEEDS[:1]), 0)["loss"].item() for o in (half, full))
    assert a == pytest.approx(b, rel=0.03)


@pytest.mark.parametrize("kind", ["beta_vae", "full_covariance_vae", "pcl", "weakly_supervised_gan"])
def test_codes_are_not_rounded_to_bfloat16(kind: str) -> None:
    """Neither the encoder's output nor the decoder's input is rounded."""
    objective = _objective(CONFIGS[kind], SEEDS[:1], TRAINING.model_copy(update={"precision": "bfloat16"}))
    means = objective.posterior(_images(8)).mean
    assert not torch.equal(means, means.bfloat16().float())
    if kind != "pcl":
        reads = objective.networks["generator" if kind == "weakly_supervised_gan" else "decoder"][0]
        assert reads(means).dtype == torch.float32


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_compiled_networks_give_the_same_loss_and_keep_their_parameter_names() -> None:
    plain, compiled = (_objective(CONFIGS["beta_vae"], SEEDS[:1]) for _ in range(2))
    names = list(plain.networks.state_dict())
    compiled.compile(backend="eager")
    a, b = (_updated(o, CounterRNG(SEEDS[:1]), 0)["loss"].item() for o in (plain, compiled))
    assert a == pytest.approx(b, rel=1e-5)
    assert list(compiled.networks.state_dict()) == names
