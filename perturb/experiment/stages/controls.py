"""Controls of a trained m_ψ: networks that keep a part of it or nothing, matched to its pattern."""

from perturb.datasets import open_ground_truth
from perturb.datasets.saved_images import open_images
from perturb.perturbation.matching import Goal, control_of, match
from perturb.perturbation.network import network_for
from perturb.perturbation.saved_networks import FILE_NAME, PatternResult, PerturbationRun, load_network
from perturb.perturbation.scalar import scalar_effects
from perturb.perturbation.span import confine
from perturb.random.seeds import torch_generator
from perturb.runs import StageContext, read_result
from perturb.training.saved_models import save_weights


def build_control(context: StageContext[PerturbationRun]) -> PatternResult:
    """Draw an m_ψ or a part of one, never train it, and match its pattern; inputs are images, perturbation.

    All controls of a trained network draw the same fresh one from their seed. So the four pairs of whose scalar with whose
    curve are made of two scalars and two curves, and a curve in the images' span is the projection of the one that is not.
    """
    config = context.spec.config
    assert config.redraw is not None, "a control has a part that it draws anew"
    ground_truth, pixels = open_ground_truth(config.dataset), open_images(context.inputs["images"])
    wanted = read_result(context.inputs["perturbation"], PatternResult).pattern
    goal = Goal(variance=wanted.variance, roughness=wanted.roughness)
    generator = torch_generator(config.seed, "untrained")
    fresh = network_for(ground_truth, config.perturbation, architecture=config.architecture, generator=generator)
    if config.in_span:
        confine(fresh, pixels, ground_truth.grid)
    trained = load_network(context.inputs["perturbation"], ground_truth)
    network = control_of(trained, fresh, ground_truth.grid, redraw=config.redraw)
    form = config.perturbation
    reached = match(
        network,
        pixels,
        ground_truth.grid,
        goal,
        epsilon=form.epsilon,
        bound=form.bound,
        centre=config.redraw != "scalar",
    )
    save_weights(network, context.out / FILE_NAME)
    return PatternResult(pattern=reached, scalar=scalar_effects(network, ground_truth.grid), wanted=goal)
