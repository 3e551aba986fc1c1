"""Benchmark files, and their images unpacked for training."""

from collections.abc import Callable
from functools import partial
from typing import Any

import h5py
import numpy as np

from perturb import __version__
from perturb.benchmark.schema import source
from perturb.benchmark.verify import verify
from perturb.benchmark.writer import write_benchmark_file
from perturb.config.loading import config_hash
from perturb.datasets import GroundTruth, open_ground_truth
from perturb.datasets.layouts import LAYOUTS
from perturb.datasets.mapped import MappedGroundTruth
from perturb.datasets.pixels import Pixels
from perturb.files import sha256_of
from perturb.perturbation.noise import uniform_noise
from perturb.perturbation.pattern import shifted
from perturb.perturbation.ruler import patterns_of
from perturb.pipeline.stages import images
from perturb.pipeline.stages.perturbation import load_network
from perturb.runs import Workplace
from perturb.seeding import child_seed

CITATION = "D. Zietlow, M. Rolinek, G. Martius: Demystifying Inductive Biases for (Beta-)VAE Based Architectures. ICML 2021."


def build_file(place: Workplace) -> dict[str, Any]:
    """Write a benchmark file, and check every pixel of it against the originals."""
    config = place.spec.config
    pixels = Pixels.open(place.inputs["images"])
    ground_truth = MappedGroundTruth(open_ground_truth(config.dataset), pixels)
    path = place.out / f"{config.variant}.h5"
    attributes = {
        "variant": config.variant,
        "epsilon": config.epsilon,
        "bound": config.bound,
        "source": source(ground_truth),
        "run": place.spec.id,
        "config_hash": config_hash(config),
        "perturb_version": __version__,
        "citation": CITATION,
    }
    write_benchmark_file(
        path,
        ground_truth,
        _images_of(place, ground_truth),
        attributes=attributes,
        report=lambda done, total: place.progress.report(done, 2 * total, "writing"),
    )
    verified = verify(
        path, ground_truth, report=lambda done, total: place.progress.report(total + done, 2 * total, "verifying")
    )
    return {
        "file": path.name,
        "sha256": sha256_of(path),
        "largest_change": verified.largest_change,
        "changed_share": verified.changed_share,
    }


def _images_of(place: Workplace, ground_truth: GroundTruth) -> Callable[[np.ndarray], np.ndarray]:
    """The variant's images by number."""
    config = place.spec.config
    if config.variant == "original":
        return ground_truth.images
    if config.variant == "noise":
        patterns = partial(uniform_noise, shape=ground_truth.image_shape, seed=child_seed(config.seed, "noise"))
    else:
        network = load_network(place.inputs["network"], ground_truth)
        patterns = patterns_of(network, ground_truth.grid, epsilon=config.epsilon)
    return lambda numbers: shifted(
        ground_truth.images(numbers), patterns(numbers), epsilon=config.epsilon, bound=config.bound
    )


def build_pixels(place: Workplace) -> dict[str, Any]:
    """Unpack the images of a benchmark file, so that a training can map them."""
    ground_truth = open_ground_truth(place.spec.config.dataset)
    (path,) = place.inputs["file"].glob("*.h5")
    with h5py.File(path, "r") as file:
        stored = file[LAYOUTS[ground_truth.layout].images]
        shape = (len(stored), *ground_truth.image_shape)
        blocks = (
            stored[i : i + images.BATCH].reshape(-1, *ground_truth.image_shape) for i in range(0, len(stored), images.BATCH)
        )
        sha256 = images.write_images(place.out, blocks, shape=shape, binary=False, progress=place.progress)
    return {"images": shape[0], "sha256": sha256}
