"""Constants of the format of benchmark files."""

from perturb.datasets.ground_truth import GroundTruth

CHUNK_IMAGES = 16
BATCH = 128
"""Images made, written or checked at a time, a multiple of the chunk: what that takes stays in the processor's cache."""
FORMAT_VERSION = 2
RECIPE, WEIGHTS = ".recipe.json", ".safetensors"
"""Endings of what lies beside `<variant>.h5`, and makes it again."""


def source(ground_truth: GroundTruth) -> str:
    """The attribute `source`: what made the original images, in one line."""
    return ", ".join(f"{key}={value}" for key, value in sorted(ground_truth.provenance().items()))
