"""Recipes: everything that a benchmark file is made from, in a few kilobytes and the weights of m_ψ.

`<variant>.recipe.json` is next to a file, and so is `<variant>.safetensors` if a network draws the pattern. Together with
the ground truth they rebuild the file: byte for byte on the same machine and versions; elsewhere pixel for pixel, except
for rounding in the network, which moves a pixel by one grey level at most (`python benchmarks/rebuilding.py` counts these).
"""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, ValidationError, model_validator
from safetensors.torch import load_file

from perturb import __version__
from perturb.benchmark.credits import CITATION, credit_of
from perturb.benchmark.originals import originals
from perturb.config import PerturbationConfig
from perturb.config.perturbation import Bound
from perturb.config.problem import first_problem
from perturb.config.section import Section
from perturb.config.training import Architecture
from perturb.datasets import GroundTruth, reader_of
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.datasets.hdf5.schema import RECIPE, WEIGHTS
from perturb.datasets.hdf5.schema import source as source_of
from perturb.datasets.hdf5.writer import write_benchmark_file
from perturb.errors import UserError
from perturb.files import sha256_of
from perturb.perturbation.bounds import apply_pattern
from perturb.perturbation.network import PerturbationNetwork, network_for
from perturb.perturbation.noise import two_valued_noise, uniform_noise
from perturb.perturbation.tabulated import patterns_of
from perturb.reading import bytes_of, reading
from perturb.variants import DRAWN, MATCHED_NOISES, NOISES, Variant

LARGEST_RECIPE = 1 << 20
"""Bytes; a larger recipe is not read."""
SHA256 = r"^[0-9a-f]{64}$"
Report = Callable[[int, int], None]
Images = Callable[[np.ndarray], np.ndarray]
Level = Annotated[int, Field(ge=-255, le=255)]


class Network(Section):
    """The network m_ψ of a recipe."""

    architecture: Architecture
    """Key in ARCHITECTURES; m_ψ extends the decoder of that architecture."""
    perturbation: PerturbationConfig
    """The form of m_ψ and the settings that it was trained with."""
    sha256: str = Field(pattern=SHA256)
    """SHA-256 of the network's weights, `<variant>.safetensors`."""


class Recipe(Section):
    """The inputs from which a benchmark file is made."""

    format: Literal[1] = 1
    """The format of this recipe."""
    dataset: str
    """Name of the ground truth."""
    source: str
    """The source of the originals: a renderer with its version, or a file with its hash."""
    variant: Variant
    epsilon: float = Field(ge=0, le=1)
    """Largest change of a pixel in [0, 1]."""
    bound: Bound
    """The treatment of values outside [0, 1]."""
    noise_seed: int | None = Field(default=None, ge=0, lt=2**64)
    """Seed for the noise; given for `noise` and `matched_noise`, and for no other variant."""
    noise_levels: tuple[Level, Level] | None = Field(default=None, exclude_if=lambda levels: levels is None)
    """Two numbers of grey levels, one of which `matched_noise` adds to each value before the bound; None otherwise."""
    network: Network | None = None
    """The network that draws the pattern; None for noise and for variants without a pattern."""
    config_hash: str
    """Hash of the config of the run that first wrote the file."""
    run: str
    """Id of that run."""

    @model_validator(mode="after")
    def _has_what_its_variant_needs(self) -> "Recipe":
        needed = {"noise_seed": NOISES, "noise_levels": MATCHED_NOISES, "network": DRAWN}
        for field, variants in needed.items():
            if (self.variant in variants) != (getattr(self, field) is not None):
                raise ValueError(f"{field} must be given for {', '.join(variants)}, and for no other variant")
        form = self.network.perturbation if self.network else self
        for field in ("epsilon", "bound"):
            if getattr(form, field) != getattr(self, field):
                raise ValueError(
                    f"network.perturbation.{field} must be the recipe's own {field} = {getattr(self, field)}, because the "
                    f"pattern was made for it; got {getattr(form, field)}"
                )
        return self


class Published(Section):
    """A recipe with the hashes of the file made from it."""

    recipe: Recipe
    images_sha256: str = Field(pattern=SHA256)
    """SHA-256 of the images' bytes in order."""
    sha256: str = Field(pattern=SHA256)
    """SHA-256 of the file's bytes."""
    versions: dict[str, str]
    """Versions of the software that wrote the file."""

    @property
    def recipe_sha256(self) -> str:
        """SHA-256 of the recipe, as the file carries it in its attributes."""
        return hashlib.sha256(self.recipe.model_dump_json().encode()).hexdigest()


def write_from(
    recipe: Recipe, path: Path, truth: GroundTruth, network: PerturbationNetwork | None, *, report: Report
) -> str:
    """Write the file of a recipe; return the SHA-256 of its images' bytes in order.

    Args:
        recipe: the recipe.
        path: path of the file.
        truth: the originals.
        network: the calibrated m_ψ, if the recipe has one.
        report: called with (images written, total images).

    """
    attributes = {
        "variant": recipe.variant,
        "epsilon": recipe.epsilon,
        "bound": recipe.bound,
        "source": recipe.source,
        "recipe": recipe.model_dump_json(),
        "run": recipe.run,
        "config_hash": recipe.config_hash,
        "perturb_version": __version__,
        "torch_version": str(torch.__version__),
        "licence": credit_of(recipe.dataset, recipe.source).licence,
        "citation": CITATION,
    }
    return write_benchmark_file(path, truth, _images_of(recipe, truth, network), attributes=attributes, report=report)


def _images_of(
    recipe: Recipe, truth: GroundTruth, network: PerturbationNetwork | None
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from image numbers to the variant's images; a recipe has exactly what its variant needs."""
    if network is not None:
        patterns = patterns_of(network, truth.grid, epsilon=recipe.epsilon)
    elif recipe.noise_levels is not None:
        low, high = (level / (255 * recipe.epsilon) for level in recipe.noise_levels)
        assert recipe.noise_seed is not None  # `Recipe` requires both
        patterns = partial(two_valued_noise, shape=truth.image_shape, low=low, high=high, seed=recipe.noise_seed)
    elif recipe.noise_seed is not None:
        patterns = partial(uniform_noise, shape=truth.image_shape, seed=recipe.noise_seed)
    else:
        return truth.images
    bounds = {"epsilon": recipe.epsilon, "bound": recipe.bound}
    return lambda numbers: apply_pattern(truth.images(numbers), patterns(numbers), **bounds)


def weights_of(path: Path) -> Path:
    """Return the path of the weights that belong to a recipe `<variant>.recipe.json`."""
    return path.with_name(path.name.removesuffix(RECIPE) + WEIGHTS)


def read_recipe(path: Path) -> Published:
    """Read a recipe from its file.

    Raises:
        UserError: there is no such file, or it is not a recipe.

    """
    content = bytes_of(path, "name a recipe, <variant>.recipe.json", largest=LARGEST_RECIPE)
    try:
        return Published.model_validate_json(content)
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}; this is not a recipe of ours.") from None


def on_other_originals(recipe: Recipe, original: Path) -> Recipe:
    """Return a recipe for the same pattern on other images of the same grid, such as the authors' instead of our renderer's.

    Args:
        recipe: a recipe of a named dataset.
        original: the dataset's official file, a folder prepared by tensorflow_datasets, or a benchmark file of originals.

    Raises:
        UserError: `original` is none of these.

    """
    truth = reader_of(recipe.dataset, original)
    if isinstance(truth, BenchmarkFile) and truth.epsilon > 0:
        raise UserError(f"{original}: must hold original images, and is the variant {truth.variant}.")
    return recipe.model_copy(update={"source": source_of(truth)})


def build(path: Path, out: Path, *, origin: Path | None = None, report: Report = lambda done, total: None) -> bool:
    """Rebuild a benchmark file from its recipe.

    Args:
        path: the recipe, with the weights next to it.
        out: path of the file to write.
        origin: the official file, or the Python file of a user's own ground truth, if the originals came from one.
        report: called with (images written, total images).

    Returns:
        Whether every pixel equals the published one.

    Raises:
        UserError: the recipe, its weights or the originals cannot be used, or do not belong together.

    """
    published = read_recipe(path)
    return build_from(published.recipe, path, out, origin=origin, report=report) == published.images_sha256


def build_from(recipe: Recipe, path: Path, out: Path, *, origin: Path | None, report: Report) -> str:
    """Make the file of a recipe that is already read, possibly changed by `on_other_originals`.

    Args:
        recipe: the recipe.
        path: path of the recipe's own file, with the weights next to it.
        out: path of the file to write.
        origin: as for `build`.
        report: as for `build`.

    Returns:
        SHA-256 of the images' bytes in order.

    Raises:
        UserError: as for `build`.

    """
    truth = originals(path, recipe.dataset, recipe.source, origin)
    network = None if recipe.network is None else network_of(recipe.network, weights_of(path), truth)
    return write_from(recipe, out, truth, network, report=report)


def network_of(wanted: Network, weights: Path, truth: GroundTruth) -> PerturbationNetwork:
    """Return the network of a recipe.

    Args:
        wanted: its description in the recipe.
        weights: path of its weights, checked against the description.
        truth: the originals.

    Raises:
        UserError: the weights are missing, are others, or do not fit the ground truth.

    """
    if not weights.is_file():
        raise UserError(f"{weights}: there is no such file; the recipe needs its weights beside it.")
    if (found := sha256_of(weights)) != wanted.sha256:
        raise UserError(f"{weights}: sha256 must be {wanted.sha256}, got {found}; download recipe and weights again.")
    network = network_for(truth, wanted.perturbation, architecture=wanted.architecture, generator=torch.Generator())
    with reading(weights, "download recipe and weights again", "does not hold the network of its recipe"):
        network.restore(load_file(weights))
    return network.eval()
