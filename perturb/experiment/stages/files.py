"""Benchmark files, and their images unpacked for training."""

import shutil
from typing import Any

from perturb.benchmark.recipe import Network, Published, Recipe, weights_of, write_from
from perturb.benchmark.verify import verify
from perturb.config.loading import config_hash
from perturb.datasets import GroundTruth, open_ground_truth
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.datasets.hdf5.schema import source
from perturb.datasets.mapped import MappedGroundTruth
from perturb.datasets.pixels import Pixels
from perturb.experiment.stages import images
from perturb.files import sha256_of, write_json
from perturb.perturbation.matching import matched_levels
from perturb.perturbation.saved_networks import FILE_NAME as NETWORK
from perturb.perturbation.saved_networks import PerturbationRun, load_network
from perturb.perturbation.stored import Probe
from perturb.random.seeds import child_seed
from perturb.runs import Workplace, read_config, read_result
from perturb.variants import MATCHED_NOISES, NOISES
from perturb.versions import software_versions

PROBED = {"sample": 1_024, "steps": 1, "values": 1_024}
"""The sample of the data on which matched noise is matched."""


def build_file(place: Workplace) -> dict[str, Any]:
    """Write a benchmark file with its recipe, and check every pixel of it against the originals."""
    config = place.spec.config
    ground_truth = MappedGroundTruth(open_ground_truth(config.dataset), Pixels.open(place.inputs["images"]))
    path = place.out / f"{config.variant}.h5"
    network = load_network(place.inputs["network"], ground_truth) if "network" in place.inputs else None
    recipe = _recipe(place, ground_truth)
    images_sha256 = write_from(
        recipe,
        path,
        ground_truth,
        network,
        report=lambda done, total: place.progress.report(done, 2 * total, "writing"),
    )
    verified = verify(
        path, ground_truth, report=lambda done, total: place.progress.report(total + done, 2 * total, "verifying")
    )
    published = Published(recipe=recipe, images_sha256=images_sha256, sha256=sha256_of(path), versions=software_versions())
    beside = place.out / f"{config.variant}.recipe.json"
    write_json(beside, published.model_dump(mode="json"))
    files = {path.name: published.sha256, beside.name: sha256_of(beside)}
    if network is not None:
        shutil.copyfile(place.inputs["network"] / NETWORK, weights_of(beside))
        files[weights_of(beside).name] = recipe.network.sha256
    return {
        "files": files,
        "sha256": published.sha256,
        "largest_change": verified.largest_change,
        "changed_share": verified.changed_share,
    } | _matched(place, ground_truth, recipe)


def _recipe(place: Workplace, ground_truth: GroundTruth) -> Recipe:
    """Return what the file is made from."""
    config, network = place.spec.config, None
    if "network" in place.inputs:
        run = place.inputs["network"]
        trained = read_config(run, PerturbationRun)
        network = Network(
            architecture=trained.architecture, perturbation=trained.perturbation, sha256=sha256_of(run / NETWORK)
        )
    return Recipe(
        dataset=ground_truth.name,
        source=source(ground_truth),
        variant=config.variant,
        epsilon=config.epsilon,
        bound=config.bound,
        noise_seed=child_seed(config.seed, "noise") if config.variant in NOISES else None,
        noise_levels=_levels(place, ground_truth) if config.variant in MATCHED_NOISES else None,
        network=network,
        config_hash=config_hash(config),
        run=place.spec.id,
    )


def _levels(place: Workplace, ground_truth: GroundTruth) -> tuple[int, int]:
    """Grey levels of noise that has the stored variance of the trained pattern."""
    wanted = read_result(place.inputs["matched"])["pattern"]["variance"]
    return matched_levels(_probe(place, ground_truth), wanted)


def _probe(place: Workplace, ground_truth: GroundTruth) -> Probe:
    config = place.spec.config
    return Probe(ground_truth, ground_truth.grid, epsilon=config.epsilon, bound=config.bound, **PROBED)


def _matched(place: Workplace, ground_truth: GroundTruth, recipe: Recipe) -> dict[str, Any]:
    """Return the variance of matched noise, wanted and reached, in units of ε²; nothing for other variants."""
    if recipe.noise_levels is None:
        return {}
    reached = _probe(place, ground_truth).variance_of_two(*recipe.noise_levels)
    return {"wanted": {"variance": read_result(place.inputs["matched"])["pattern"]["variance"]}, "variance": reached}


def build_pixels(place: Workplace) -> dict[str, Any]:
    """Unpack the images of a benchmark file, so that a training can map them."""
    (path,) = place.inputs["file"].glob("*.h5")
    file = BenchmarkFile(path)
    shape = (file.grid.num_images, *file.image_shape)
    sha256 = images.write_images(place.out, file.blocks(images.BATCH), shape=shape, binary=False, progress=place.progress)
    return {"images": shape[0], "sha256": sha256}
