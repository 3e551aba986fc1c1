"""m_ψ, trained against the selected restarts."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perturb.datasets import open_ground_truth
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.objectives.encode import encode
from perturb.perturbation.alignment import Alignment, Codes, pool_of
from perturb.perturbation.exact_game import ExactGame, explained, mean_operator
from perturb.perturbation.frozen import FrozenEncoder
from perturb.perturbation.game import Game, LiteralPlayer, Player, ResidualPlayer
from perturb.perturbation.local_metric import active_codes, standardised
from perturb.perturbation.network import PerturbationNetwork, network_for
from perturb.perturbation.pattern import calibrate, measure
from perturb.perturbation.saved_networks import FILE_NAME, PerturbationRun
from perturb.perturbation.scalar import scalar_effects
from perturb.perturbation.stored import PatternStatistics
from perturb.perturbation.training import Adversary, train_network
from perturb.random.seeds import torch_generator
from perturb.runs import Workplace, read_config, read_result
from perturb.training.curve import write_curve
from perturb.training.saved_models import TrainingRun, load_model, save_weights

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINTS = 20
"""Written during a training."""


def build_perturbation(place: Workplace) -> dict[str, Any]:
    """Train m_ψ against the selected restarts; inputs are images, selection, restart-0, restart-1, …"""
    config: PerturbationRun = place.spec.config
    ground_truth = open_ground_truth(config.dataset)
    generator = torch_generator(config.seed, "perturbation")
    network = network_for(ground_truth, config.perturbation, architecture=config.architecture, generator=generator)
    pixels = Pixels.open(place.inputs["images"])
    adversary = _adversary(place, network, pixels, ground_truth.grid, generator)
    curve = train_network(
        adversary,
        steps=config.perturbation.steps,
        checkpoint=place.scratch / CHECKPOINT,
        checkpoint_every=max(1, config.perturbation.steps // CHECKPOINTS),
        progress=place.progress,
    )
    write_curve(place.out / "curve.csv", curve)
    calibrate(network.cpu(), ground_truth.grid)
    save_weights(network, place.out / FILE_NAME)
    bounds = {"epsilon": config.perturbation.epsilon, "bound": config.perturbation.bound}
    statistics = measure(network, pixels, ground_truth.grid, **bounds)
    return described(network, ground_truth.grid, statistics) | {"last": curve[-1]}


def _adversary(
    place: Workplace, network: PerturbationNetwork, pixels: Pixels, grid: FactorGrid, generator: torch.Generator
) -> Adversary:
    """The form of the objective that the config asks for, with the selected restarts."""
    config, chosen = place.spec.config.perturbation, read_result(place.inputs["selection"])
    shared = {"pixels": pixels, "grid": grid, "generator": generator, "device": place.device}
    if config.form in ("literal", "residual"):
        players = [
            [_player(place, index, network, pixels, generator) for index in chosen[side]]
            for side in ("entangled", "disentangled")
        ]
        return Game(config, network, *players, **shared)
    if config.form == "literal_exact":
        operator = _operator(place, chosen, pixels, grid, generator)
        return ExactGame(config, network, operator, pixels=pixels, grid=grid, device=place.device)
    pool = pool_of(grid, place.spec.config.seed)
    return Alignment(config, network, list(_codes(place, chosen, pixels, grid, pool)), pool=pool, **shared)


def _operator(
    place: Workplace, chosen: dict[str, list[int]], pixels: Pixels, grid: FactorGrid, generator: torch.Generator
) -> Tensor:
    """K_ent − K_dis of the whole grid."""
    samples, means = place.spec.config.perturbation.latent_samples, {}
    for side in ("entangled", "disentangled"):
        encoded = (_encoded(place, index, pixels, np.arange(len(grid))) for index in chosen[side])
        found = ((torch.from_numpy(mean), torch.from_numpy(np.exp(logvar / 2))) for mean, logvar in encoded)
        means[side] = mean_operator([explained(*one, samples=samples, generator=generator) for one in found])
    return means["entangled"] - means["disentangled"]


def _encoded(place: Workplace, index: int, pixels: Pixels, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Encode original images by restart `index`: posterior means and log-variances, each float32 (n, latents)."""
    return encode(load_model(place.inputs[f"restart-{index}"], place.device), pixels, numbers)


def _codes(
    place: Workplace, chosen: dict[str, list[int]], pixels: Pixels, grid: FactorGrid, pool: np.ndarray
) -> Iterator[Codes]:
    """Yield what an `alignment…` form turns the axes of."""
    form = place.spec.config.perturbation.form
    if form == "alignment_factors":
        yield Codes(standardised(torch.from_numpy(grid.scaled(pool))), 1.0)
        return
    signs = {"disentangled": 1.0} | ({"entangled": -1.0} if form == "alignment_contrast" else {})
    for side, sign in signs.items():
        for index in chosen[side]:
            yield Codes(active_codes(*_encoded(place, index, pixels, pool)), sign / len(chosen[side]))


def _player(
    place: Workplace, index: int, network: PerturbationNetwork, pixels: Pixels, generator: torch.Generator
) -> Player:
    """Restart `index` as the game meets it."""
    run = place.inputs[f"restart-{index}"]
    model, latents = load_model(run, place.device), read_config(run, TrainingRun).latents
    encoder = FrozenEncoder(model, pixels, latents)
    if place.spec.config.perturbation.form == "literal":
        return Player(encoder, LiteralPlayer(model.networks["decoder"].requires_grad_(True)))
    return Player(encoder, ResidualPlayer(latents, network.pattern_shape, generator=generator))


def described(network: PerturbationNetwork, grid: FactorGrid, statistics: PatternStatistics) -> dict[str, Any]:
    """Return what a run's result says of a calibrated network: its pattern as stored, and what its scalar follows."""
    return {"pattern": statistics.as_json(), "scalar": scalar_effects(network, grid).as_json()}
