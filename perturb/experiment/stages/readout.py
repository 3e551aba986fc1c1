"""Proof that the factors are still there: what a supervised network reads, and what moves the pixels."""

from perturb.analysis.readout import read_factors
from perturb.analysis.saved_analyses import ReadoutResult, ReadoutRun, VariancesRun
from perturb.analysis.variances import Variances, induced_variances
from perturb.datasets import grid_of
from perturb.datasets.saved_images import open_images
from perturb.runs import StageContext

SAMPLE = 20_000
"""Images behind each variance, at most."""


def build_readout(context: StageContext[ReadoutRun]) -> ReadoutResult:
    """Train a supervised network on the images of one variant and ask it about held-out ones."""
    config = context.spec.config
    settings = config.readout
    found = read_factors(
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
    return ReadoutResult(tuple(found))


def build_variances(context: StageContext[VariancesRun]) -> Variances:
    """Global and local variances of one variant beside the original's."""
    config = context.spec.config
    original, variant = open_images(context.inputs["images"]), open_images(context.inputs["pixels"])
    return induced_variances(
        original, variant, grid_of(config.dataset), sample=SAMPLE, seed=config.seed, progress=context.progress
    )
