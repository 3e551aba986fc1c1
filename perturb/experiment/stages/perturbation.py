"""m_ψ, trained against the selected restarts."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from perturb.datasets import open_ground_truth
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.datasets.saved_images import open_images
from perturb.objectives.encode import encode
from perturb.perturbation.alignment import Alignment, Codes, pool_of
from perturb.perturbation.exact_game import ExactGame, explained, mean_operator
from perturb.perturbation.frozen import FrozenEncoder
from perturb.perturbation.game import Game, LiteralPlayer, Player, ResidualPlayer
from perturb.perturbation.local_metric import active_codes, standardised
from perturb.perturbation.network import PerturbationNetwork, network_for
from perturb.perturbation.pattern import calibrate, measure
from perturb.perturbation.saved_networks import FILE_NAME, PatternResult, PerturbationRun
from perturb.perturbation.scalar import scalar_effects
from perturb.perturbation.selection import Selection
from perturb.perturbation.training import Adversary, train_network
from perturb.random.seeds import torch_generator
from perturb.runs import StageContext, read_config, read_result
from perturb.training.curve import CURVE, write_curve
from perturb.training.saved_models import TrainingRun, load_model, save_weights

Context = StageContext[PerturbationRun]
CHECKPOINT = "checkpoint.safetensors"
CHECKPOINTS = 20
"""Written during a training."""


def build_perturbation(context: Context) -> PatternResult:
    """Train m_ψ against the selected restarts; inputs are images, selection, restart-0, restart-1, …"""
    config = context.spec.config
    ground_truth = open_ground_truth(config.dataset)
    generator = torch_generator(config.seed, "perturbation")
    network = network_for(ground_truth, config.perturbation, architecture=config.architecture, generator=generator)
    pixels = open_images(context.inputs["images"])
    adversary = _adversary(context, network, pixels, ground_truth.grid, generator)
    curve = train_network(
        adversary,
        steps=config.perturbation.steps,
        checkpoint=context.scratch / CHECKPOINT,
        checkpoint_every=max(1, config.perturbation.steps // CHECKPOINTS),
        progress=context.progress,
    )
    write_curve(context.out / CURVE, curve)
    calibrate(network.cpu(), ground_truth.grid)
    save_weights(network, context.out / FILE_NAME)
    bounds = {"epsilon": config.perturbation.epsilon, "bound": config.perturbation.bound}
    statistics = measure(network, pixels, ground_truth.grid, **bounds)
    return PatternResult(pattern=statistics, scalar=scalar_effects(network, ground_truth.grid), last=curve[-1])


def _adversary(
    context: Context,
    network: PerturbationNetwork,
    pixels: Pixels,
    grid: FactorGrid,
    generator: torch.Generator,
) -> Adversary:
    """The form of the objective that the config asks for, with the selected restarts."""
    config, chosen = context.spec.config.perturbation, read_result(context.inputs["selection"], Selection)
    shared = {"pixels": pixels, "grid": grid, "generator": generator, "device": context.device}
    if config.form in ("literal", "residual"):
        players = [
            [_player(context, index, network, pixels, generator) for index in chosen.sides[side]]
            for side in ("entangled", "disentangled")
        ]
        return Game(config, network, *players, **shared)
    if config.form == "literal_exact":
        operator = _operator(context, chosen, pixels, grid, generator)
        return ExactGame(config, network, operator, pixels=pixels, grid=grid, device=context.device)
    pool = pool_of(grid, context.spec.config.seed)
    return Alignment(config, network, list(_codes(context, chosen, pixels, grid, pool)), pool=pool, **shared)


def _operator(context: Context, chosen: Selection, pixels: Pixels, grid: FactorGrid, generator: torch.Generator) -> Tensor:
    """K_ent − K_dis of the whole grid."""
    samples, means = context.spec.config.perturbation.latent_samples, {}
    for side in ("entangled", "disentangled"):
        encoded = (_encoded(context, index, pixels, np.arange(len(grid))) for index in chosen.sides[side])
        found = ((torch.from_numpy(mean), torch.from_numpy(np.exp(logvar / 2))) for mean, logvar in encoded)
        means[side] = mean_operator([explained(*one, samples=samples, generator=generator) for one in found])
    return means["entangled"] - means["disentangled"]


def _encoded(context: Context, index: int, pixels: Pixels, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Encode original images by restart `index`: posterior means and log-variances, each float32 (n, latents)."""
    return encode(load_model(context.inputs[f"restart-{index}"], context.device), pixels, numbers)


def _codes(context: Context, chosen: Selection, pixels: Pixels, grid: FactorGrid, pool: np.ndarray) -> Iterator[Codes]:
    """Yield what an `alignment…` form turns the axes of."""
    form = context.spec.config.perturbation.form
    if form == "alignment_factors":
        yield Codes(standardised(torch.from_numpy(grid.scaled(pool))), 1.0)
        return
    signs = {"disentangled": 1.0} | ({"entangled": -1.0} if form == "alignment_contrast" else {})
    for side, sign in signs.items():
        for index in chosen.sides[side]:
            yield Codes(active_codes(*_encoded(context, index, pixels, pool)), sign / len(chosen.sides[side]))


def _player(
    context: Context,
    index: int,
    network: PerturbationNetwork,
    pixels: Pixels,
    generator: torch.Generator,
) -> Player:
    """Restart `index` as the game meets it."""
    run = context.inputs[f"restart-{index}"]
    model, latents = load_model(run, context.device), read_config(run, TrainingRun).latents
    encoder = FrozenEncoder(model, pixels, latents)
    if context.spec.config.perturbation.form == "literal":
        return Player(encoder, LiteralPlayer(model.networks["decoder"].requires_grad_(True)))
    return Player(encoder, ResidualPlayer(latents, network.pattern_shape, generator=generator))
