"""Training of m_ψ against the selected restarts."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perturb.analysis.prediction import predict_for
from perturb.datasets import open_ground_truth
from perturb.datasets.ground_truth import FactorGrid, GroundTruth
from perturb.datasets.pixels import Pixels
from perturb.datasets.saved_images import open_images
from perturb.experiment.stages.trials import lowest, trial_migs
from perturb.objectives.encode import encode
from perturb.perturbation.alignment import Alignment, Codes, pool_of
from perturb.perturbation.exact_game import ExactGame, explained, mean_operator
from perturb.perturbation.frozen import FrozenEncoder
from perturb.perturbation.game import Game, LiteralPlayer, Player, ResidualPlayer
from perturb.perturbation.local_metric import active_codes, standardised
from perturb.perturbation.moved import MovedPixels
from perturb.perturbation.network import PerturbationNetwork, network_for
from perturb.perturbation.pattern import calibrate, measure
from perturb.perturbation.saved_networks import FILE_NAME, PatternResult, PerturbationRun
from perturb.perturbation.scalar import scalar_effects
from perturb.perturbation.selection import Selection
from perturb.perturbation.training import Adversary, train_network
from perturb.progress import Part
from perturb.random.seeds import torch_generator
from perturb.runs import StageContext, read_config, read_result
from perturb.training.curve import CURVE, write_curve
from perturb.training.saved_models import TrainingRun, load_model, save_weights

Context = StageContext[PerturbationRun]
CHECKPOINT = "checkpoint.safetensors"
CHECKPOINTS = 20
"""Number of checkpoints written during a training."""


def build_perturbation(context: Context) -> PatternResult:
    """Train m_ψ against the selected restarts; inputs are images, selection, restart-0, restart-1, …"""
    config, bounds = context.spec.config, _bounds(context)
    truth, pixels = open_ground_truth(config.dataset), open_images(context.inputs["images"])
    tries = [_trained(context, truth, pixels, number) for number in range(config.perturbation.tries)]
    moved = [MovedPixels(pixels, network, truth.grid, **bounds) for network, _ in tries]
    predicted = _predicted(context, pixels, truth.grid, moved) if len(tries) > 1 else ()
    trials = trial_migs(context, moved) if config.perturbation.trial_steps else []
    network, curve = tries[lowest(trials or predicted) if predicted else 0]
    write_curve(context.out / CURVE, curve)
    save_weights(network, context.out / FILE_NAME)
    return PatternResult(
        pattern=measure(network, pixels, truth.grid, **bounds),
        scalar=scalar_effects(network, truth.grid),
        last=curve[-1],
        predicted=predicted,
        trials=tuple(trials),
    )


def _bounds(context: Context) -> dict[str, Any]:
    config = context.spec.config.perturbation
    return {"epsilon": config.epsilon, "bound": config.bound}


def _trained(
    context: Context, truth: GroundTruth, pixels: Pixels, number: int
) -> tuple[PerturbationNetwork, list[dict[str, float]]]:
    """Train and calibrate one try, and return it with its curve.

    Each try has its own checkpoint, so that a resumed run repeats no finished try.
    """
    config = context.spec.config
    generator = torch_generator(config.seed, "perturbation", *([number] if number else []))
    network = network_for(truth, config.perturbation, architecture=config.architecture, generator=generator)
    checkpoint = context.scratch / (f"try-{number}-{CHECKPOINT}" if number else CHECKPOINT)
    curve = train_network(
        _adversary(context, network, pixels, truth.grid, generator),
        steps=config.perturbation.steps,
        checkpoint=checkpoint,
        checkpoint_every=max(1, config.perturbation.steps // CHECKPOINTS),
        progress=Part(context.progress, number, config.perturbation.tries),
    )
    calibrate(network.cpu(), truth.grid)
    return network, curve


def _predicted(context: Context, pixels: Pixels, grid: FactorGrid, tries: Sequence[MovedPixels]) -> tuple[float, ...]:
    """Predict for the images of each try the MIG of the disentangled codes on their cheapest axes."""
    config, chosen = context.spec.config, read_result(context.inputs["selection"], Selection).disentangled
    models = [load_model(context.inputs[f"restart-{index}"], context.device) for index in chosen]
    settings = {"price": config.perturbation.alignment.price, "seed": config.seed}
    return tuple(predict_for(models, pixels, images, grid, **settings).turned_in_span for images in tries)


def _adversary(
    context: Context,
    network: PerturbationNetwork,
    pixels: Pixels,
    grid: FactorGrid,
    generator: torch.Generator,
) -> Adversary:
    """Build the form of the objective that the config names, with the selected restarts."""
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
    """Compute K_ent − K_dis on the whole grid."""
    samples, means = context.spec.config.perturbation.latent_samples, {}
    for side in ("entangled", "disentangled"):
        encoded = (_encoded(context, index, pixels, np.arange(len(grid))) for index in chosen.sides[side])
        posteriors = ((torch.from_numpy(mean), torch.from_numpy(np.exp(logvar / 2))) for mean, logvar in encoded)
        means[side] = mean_operator([explained(*one, samples=samples, generator=generator) for one in posteriors])
    return means["entangled"] - means["disentangled"]


def _encoded(context: Context, index: int, pixels: Pixels, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Encode original images with restart `index`: posterior means and log-variances, each float32 (n, latents)."""
    return encode(load_model(context.inputs[f"restart-{index}"], context.device), pixels, numbers)


def _codes(context: Context, chosen: Selection, pixels: Pixels, grid: FactorGrid, pool: np.ndarray) -> Iterator[Codes]:
    """Yield the codes that enter an `alignment…` form, with their weights."""
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
    """Build the player of restart `index` in the game."""
    run = context.inputs[f"restart-{index}"]
    model, latents = load_model(run, context.device), read_config(run, TrainingRun).latents
    encoder = FrozenEncoder(model, pixels, latents)
    if context.spec.config.perturbation.form == "literal":
        return Player(encoder, LiteralPlayer(model.networks["decoder"].requires_grad_(True), model.likelihood.mean))
    return Player(encoder, ResidualPlayer(latents, network.pattern_shape, generator=generator))
