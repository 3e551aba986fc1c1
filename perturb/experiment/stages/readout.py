"""Evidence that the factors are still present: supervised readouts, and the variance that factors induce in pixels."""

from perturb.analysis.readout import read_factors
from perturb.analysis.saved_analyses import ReadoutResult, ReadoutRun, VariancesRun
from perturb.analysis.variances import Variances, induced_variances
from perturb.datasets import grid_of
from perturb.datasets.saved_images import open_images
from perturb.runs import StageContext

SAMPLE = 20_000
"""Maximum number of images per variance."""


def build_readout(context: StageContext[ReadoutRun]) -> ReadoutResult:
    """Train a supervised network on the images of one variant and test it on held-out ones."""
    config = context.spec.config
    settings = config.readout
    readings = read_factors(
        open_images(context.inputs["pixels"]),
        grid_of(config.dataset),
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        held_out=settings.held_out,
        seed=config.seed,
        device=context.device,
        progress=context.progress,
    )
    return ReadoutResult(tuple(readings))


def build_variances(context: StageContext[VariancesRun]) -> Variances:
    """Measure global and local variances of one variant and of the original."""
    config = context.spec.config
    original, variant = open_images(context.inputs["images"]), open_images(context.inputs["pixels"])
    return induced_variances(
        original, variant, grid_of(config.dataset), sample=SAMPLE, seed=config.seed, progress=context.progress
    )
