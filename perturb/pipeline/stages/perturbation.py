"""m_ψ, trained against the selected restarts."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from perturb.datasets import GroundTruth, open_ground_truth
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.perturbation.frozen import FrozenEncoder
from perturb.perturbation.game import LiteralPlayer, ResidualPlayer
from perturb.perturbation.network import PerturbationNetwork, network_for
from perturb.perturbation.pattern import calibrate, measure
from perturb.perturbation.scalar import scalar_effects
from perturb.perturbation.stored import PatternStatistics
from perturb.perturbation.training import PerturbationTraining, Player
from perturb.pipeline.configs import PerturbationRun, RestartRun
from perturb.pipeline.stages import models
from perturb.runs import Workplace, read_config, read_result
from perturb.seeding import torch_generator
from perturb.training.curve import write_curve

FILE_NAME = "psi.safetensors"
CHECKPOINT = "checkpoint.safetensors"
CHECKPOINTS = 20
"""Written during a training."""


def build_perturbation(place: Workplace) -> dict[str, Any]:
    """Train m_ψ against the selected restarts; inputs are images, selection, restart-0, restart-1, …"""
    config: PerturbationRun = place.spec.config
    ground_truth = open_ground_truth(config.dataset)
    generator = torch_generator(config.seed, "perturbation")
    network = network_for(ground_truth, config.perturbation, architecture=config.architecture, generator=generator)
    chosen = read_result(place.inputs["selection"])
    pixels = Pixels.open(place.inputs["images"])
    training = PerturbationTraining(
        config.perturbation,
        network,
        [_player(place, index, network, pixels, generator) for index in chosen["entangled"]],
        [_player(place, index, network, pixels, generator) for index in chosen["disentangled"]],
        pixels=pixels,
        grid=ground_truth.grid,
        generator=generator,
        device=place.device,
    )
    curve = training.run(
        checkpoint=place.scratch / CHECKPOINT,
        checkpoint_every=max(1, config.perturbation.steps // CHECKPOINTS),
        progress=place.progress,
    )
    write_curve(place.out / "curve.csv", curve)
    calibrate(network.cpu(), ground_truth.grid)
    models.save_weights(network, place.out / FILE_NAME)
    bounds = {"epsilon": config.perturbation.epsilon, "bound": config.perturbation.bound}
    statistics = measure(network, pixels, ground_truth.grid, **bounds)
    return described(network, ground_truth.grid, statistics) | {"last": curve[-1]}


def _player(
    place: Workplace, index: int, network: PerturbationNetwork, pixels: Pixels, generator: torch.Generator
) -> Player:
    """Restart `index` as m_ψ's training meets it."""
    run = place.inputs[f"restart-{index}"]
    model, latents = models.load_model(run, place.device), read_config(run, RestartRun).latents
    encoder = FrozenEncoder(model, pixels, latents)
    if place.spec.config.perturbation.form == "literal":
        return Player(encoder, LiteralPlayer(model.networks["decoder"].requires_grad_(True)))
    return Player(encoder, ResidualPlayer(latents, network.pattern_shape, generator=generator))


def described(network: PerturbationNetwork, grid: FactorGrid, statistics: PatternStatistics) -> dict[str, Any]:
    """What a run's result says of a calibrated network: its pattern as stored, and what its scalar follows."""
    return {"pattern": statistics.as_json(), "scalar": scalar_effects(network, grid).as_json()}


def load_network(run: Path, ground_truth: GroundTruth) -> PerturbationNetwork:
    """m_ψ of a finished run, calibrated."""
    config = read_config(run, PerturbationRun)
    network = network_for(ground_truth, config.perturbation, architecture=config.architecture, generator=torch.Generator())
    network.restore(load_file(run / FILE_NAME))
    return network.eval()
