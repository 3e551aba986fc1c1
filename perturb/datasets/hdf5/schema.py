"""Constants of the format of benchmark files."""

from perturb.datasets.ground_truth import GroundTruth

CHUNK_IMAGES = 16
BATCH = 128
"""Images rendered, written or checked at a time: a multiple of the chunk size, few enough to stay in the CPU cache."""
FORMAT_VERSION = 2
RECIPE, WEIGHTS = ".recipe.json", ".safetensors"
"""Suffixes of the files beside `<variant>.h5` from which it can be rebuilt."""


def source(ground_truth: GroundTruth) -> str:
    """Return the attribute `source`: the origin of the original images, in one line."""
    return ", ".join(f"{key}={value}" for key, value in sorted(ground_truth.provenance().items()))
