"""Networks that are taken from published recipes instead of being trained."""

import shutil

from perturb.benchmark.recipe import network_of, weights_of
from perturb.datasets import open_ground_truth
from perturb.datasets.saved_images import open_images
from perturb.experiment.published import read_published, recipe_path
from perturb.experiment.stages.controls import goal_of
from perturb.perturbation.pattern import measure
from perturb.perturbation.saved_networks import FILE_NAME, PatternResult, PerturbationRun
from perturb.perturbation.scalar import scalar_effects
from perturb.runs import StageContext


def build_published(context: StageContext[PerturbationRun]) -> PatternResult:
    """Copy the weights of m_ψ or of a control of it from a recipe, and measure its pattern.

    Inputs are images and, for a control, perturbation: the network that it was matched to.
    """
    config = context.spec.config
    assert config.published is not None, "the plan names the recipe"
    recipe = read_published(config.published).recipe
    truth, form = open_ground_truth(config.dataset), config.perturbation
    weights = weights_of(recipe_path(config.published, config.published.name))
    assert recipe.network is not None, "the plan has these runs for recipes with a network"
    network = network_of(recipe.network, weights, truth)
    shutil.copyfile(weights, context.out / FILE_NAME)
    pixels = open_images(context.inputs["images"])
    return PatternResult(
        pattern=measure(network, pixels, truth.grid, epsilon=form.epsilon, bound=form.bound),
        scalar=scalar_effects(network, truth.grid),
        wanted=goal_of(context) if "perturbation" in context.inputs else None,
    )
