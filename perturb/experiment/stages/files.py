"""Benchmark files, and their images unpacked for training."""

import shutil

from perturb.benchmark.recipe import Network, Published, Recipe, weights_of, write_from
from perturb.benchmark.saved_files import FileResult, FileRun
from perturb.benchmark.verify import verify
from perturb.config.loading import config_hash
from perturb.datasets import GroundTruth, open_ground_truth
from perturb.datasets.hdf5.schema import source
from perturb.datasets.saved_images import ImagesResult, MappedGroundTruth, PixelsRun, open_images, unpack
from perturb.experiment.published import read_published
from perturb.files import sha256_of, write_json
from perturb.machine import software_versions
from perturb.manifests import run_file
from perturb.perturbation.matching import matched_levels
from perturb.perturbation.saved_networks import FILE_NAME as NETWORK
from perturb.perturbation.saved_networks import PatternResult, PerturbationRun, load_network
from perturb.perturbation.stored import Probe
from perturb.random.seeds import child_seed
from perturb.runs import StageContext, read_config, read_result
from perturb.variants import MATCHED_NOISES, NOISES

PROBED = {"sample": 1_024, "steps": 1, "values": 1_024}
"""Sample of the data on which noise is matched."""


def build_file(context: StageContext[FileRun]) -> FileResult:
    """Write a benchmark file with its recipe, and verify every pixel against the originals."""
    config = context.spec.config
    ground_truth = MappedGroundTruth(open_ground_truth(config.dataset), open_images(context.inputs["images"]))
    path = context.out / f"{config.variant}.h5"
    network = load_network(context.inputs["network"], ground_truth) if "network" in context.inputs else None
    recipe = _recipe(context, ground_truth)
    images_sha256 = write_from(
        recipe,
        path,
        ground_truth,
        network,
        report=lambda done, total: context.progress.report(done, 2 * total, "writing"),
    )
    verified = verify(
        path, ground_truth, report=lambda done, total: context.progress.report(total + done, 2 * total, "verifying")
    )
    published = Published(recipe=recipe, images_sha256=images_sha256, sha256=sha256_of(path), versions=software_versions())
    recipe_path = context.out / f"{config.variant}.recipe.json"
    write_json(recipe_path, published.model_dump(mode="json"))
    files = {path.name: published.sha256, recipe_path.name: sha256_of(recipe_path)}
    if recipe.network is not None:
        shutil.copyfile(run_file(context.inputs["network"], NETWORK), weights_of(recipe_path))
        files[weights_of(recipe_path).name] = recipe.network.sha256
    levels = recipe.noise_levels
    return FileResult(
        files=files,
        sha256=published.sha256,
        largest_change=verified.largest_change,
        changed_share=verified.changed_share,
        variance=_probe(context, ground_truth).variance_of_two(*levels) if levels else None,
        wanted={"variance": _wanted(context)} if levels else None,
    )


def _recipe(context: StageContext[FileRun], ground_truth: GroundTruth) -> Recipe:
    """Return the recipe of the file: the published one, or one of its own."""
    config, network = context.spec.config, None
    if config.published is not None:
        return read_published(config.published).recipe.model_copy(update={"source": source(ground_truth)})
    if "network" in context.inputs:
        run = context.inputs["network"]
        trained = read_config(run, PerturbationRun)
        network = Network(
            architecture=trained.architecture, perturbation=trained.perturbation, sha256=sha256_of(run_file(run, NETWORK))
        )
    return Recipe(
        dataset=ground_truth.name,
        source=source(ground_truth),
        variant=config.variant,
        epsilon=config.epsilon,
        bound=config.bound,
        noise_seed=child_seed(config.seed, "noise") if config.variant in NOISES else None,
        noise_levels=_levels(context, ground_truth) if config.variant in MATCHED_NOISES else None,
        network=network,
        config_hash=config_hash(config),
        run=context.spec.id,
    )


def _levels(context: StageContext[FileRun], ground_truth: GroundTruth) -> tuple[int, int]:
    """Return the grey levels of noise with the stored variance of the trained pattern."""
    return matched_levels(_probe(context, ground_truth), _wanted(context))


def _wanted(context: StageContext[FileRun]) -> float:
    """Return the stored variance of the trained pattern that noise is matched to, in units of ε²."""
    return read_result(context.inputs["matched"], PatternResult).pattern.variance


def _probe(context: StageContext[FileRun], ground_truth: GroundTruth) -> Probe:
    config = context.spec.config
    return Probe(ground_truth, ground_truth.grid, epsilon=config.epsilon, bound=config.bound, **PROBED)


def build_pixels(context: StageContext[PixelsRun]) -> ImagesResult:
    """Unpack the images of a benchmark file, so that trainings can memory-map them."""
    return unpack(context.inputs["file"], context.out, context.progress)
