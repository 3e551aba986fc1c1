"""Controls of a trained m_ψ: networks that keep a part of it, or nothing, and are matched to its pattern."""

from perturb.datasets import GroundTruth, open_ground_truth
from perturb.datasets.pixels import Pixels
from perturb.datasets.saved_images import open_images
from perturb.experiment.stages.trials import lowest, trial_migs
from perturb.perturbation.matching import Goal, control_of, match
from perturb.perturbation.moved import MovedPixels
from perturb.perturbation.network import PerturbationNetwork, network_for
from perturb.perturbation.saved_networks import FILE_NAME, PatternResult, PerturbationRun, load_network
from perturb.perturbation.scalar import scalar_effects
from perturb.perturbation.span import confine
from perturb.perturbation.stored import PatternStatistics
from perturb.random.seeds import torch_generator
from perturb.runs import StageContext, read_result
from perturb.training.saved_models import save_weights


def build_control(context: StageContext[PerturbationRun]) -> PatternResult:
    """Draw an m_ψ, or a part of one, and match its pattern to the trained one without training it.

    Inputs are images, perturbation and, for trials, restart-0.

    All controls of a trained network draw the same fresh network from their seed. The four combinations of a scalar and a
    curve are therefore made of two scalars and two curves, and a curve that is confined to the images' span is the
    projection of the one that is not. If the trained network was selected by trials, a control is selected from as many
    draws in the same way.
    """
    config = context.spec.config.perturbation
    truth, pixels = open_ground_truth(context.spec.config.dataset), open_images(context.inputs["images"])
    trained, wanted = load_network(context.inputs["perturbation"], truth), goal_of(context)
    draws = range(config.tries if config.trial_steps else 1)
    drawn = [_drawn(context.spec.config, truth, pixels, trained, wanted, number) for number in draws]
    bounds = {"epsilon": config.epsilon, "bound": config.bound}
    moved = [MovedPixels(pixels, network, truth.grid, **bounds) for network, _ in drawn]
    trials = trial_migs(context, moved) if config.trial_steps else []
    network, reached = drawn[lowest(trials) if trials else 0]
    save_weights(network, context.out / FILE_NAME)
    return PatternResult(pattern=reached, scalar=scalar_effects(network, truth.grid), wanted=wanted, trials=tuple(trials))


def _drawn(
    config: PerturbationRun,
    truth: GroundTruth,
    pixels: Pixels,
    trained: PerturbationNetwork,
    wanted: Goal,
    number: int,
) -> tuple[PerturbationNetwork, PatternStatistics]:
    """Draw a control, match it to the trained network, and return it with the statistics of its pattern."""
    form = config.perturbation
    assert config.redraw is not None, "a control has a part that it draws anew"
    generator = torch_generator(config.seed, "untrained", *([number] if number else []))
    fresh = network_for(truth, form, architecture=config.architecture, generator=generator)
    if config.in_span:
        confine(fresh, pixels, truth.grid)
    network = control_of(trained, fresh, truth.grid, redraw=config.redraw)
    reached = match(
        network,
        pixels,
        truth.grid,
        wanted,
        epsilon=form.epsilon,
        bound=form.bound,
        centre=config.redraw != "scalar",
    )
    return network, reached


def goal_of(context: StageContext[PerturbationRun]) -> Goal:
    """Return the trained pattern's variance and roughness, to which a control is matched."""
    wanted = read_result(context.inputs["perturbation"], PatternResult).pattern
    return Goal(variance=wanted.variance, roughness=wanted.roughness)
