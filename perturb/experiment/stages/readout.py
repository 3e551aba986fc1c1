"""Proof that the factors are still there: what a supervised network reads, and what moves the pixels."""

from typing import Any

from perturb.analysis.readout import read_factors
from perturb.analysis.variances import induced_variances
from perturb.datasets import grid_of
from perturb.datasets.pixels import Pixels
from perturb.runs import Workplace

SAMPLE = 20_000
"""Images behind each variance, at most."""


def build_readout(place: Workplace) -> dict[str, Any]:
    """Train a supervised network on the images of one variant and ask it about held-out ones."""
    config = place.spec.config
    settings = config.readout
    found = read_factors(
        Pixels.open(place.inputs["pixels"]),
        grid_of(config.dataset),
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        held_out=settings.held_out,
        seed=config.seed,
        device=place.device,
        progress=place.progress,
    )
    return {"factors": [factor.as_json() for factor in found]}


def build_variances(place: Workplace) -> dict[str, Any]:
    """Global and local variances of one variant beside the original's."""
    config = place.spec.config
    original, variant = Pixels.open(place.inputs["images"]), Pixels.open(place.inputs["pixels"])
    found = induced_variances(
        original, variant, grid_of(config.dataset), sample=SAMPLE, seed=config.seed, progress=place.progress
    )
    return found.as_json()
