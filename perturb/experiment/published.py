"""Published recipes in place of the training of m_ψ: where they are, and whether they are those that a config means."""

from collections.abc import Mapping
from pathlib import Path

from perturb.benchmark.recipe import Published, Recipe, read_recipe
from perturb.config import ExperimentConfig, PublishedRecipe
from perturb.config.published import PublishedPlace
from perturb.datasets.hdf5.schema import RECIPE
from perturb.entries.packaged import published_folder
from perturb.errors import UserError
from perturb.experiment.columns import columns_of, trained_columns
from perturb.variants import VariantPattern


def recipe_path(place: PublishedPlace, name: str) -> Path:
    """Return the path of a published recipe by its name, such as `modified-2`."""
    folder = published_folder(place.benchmark) if place.benchmark else place.folder
    assert folder is not None, "a place is a benchmark or a folder"
    return folder / f"{name}{RECIPE}"


def read_published(published: PublishedRecipe) -> Published:
    """Read a recipe that a run was planned with.

    Raises:
        UserError: it cannot be read, or has changed since.

    """
    path = recipe_path(published, published.name)
    recipe = read_recipe(path)
    if recipe.recipe_sha256 != published.sha256:
        raise UserError(f"{path}: is not the recipe that the experiment was planned with; run the experiment again.")
    return recipe


def recipes_of(config: ExperimentConfig, dataset: str) -> dict[VariantPattern, Published]:
    """Read the recipes that an experiment on published patterns needs; none for other experiments.

    `dataset` is the name of the ground truth, which a user's own states itself.

    Raises:
        UserError: a recipe is missing or cannot be read, or the config describes other patterns.

    """
    place = config.published
    if place is None:
        return {}
    if place.folder is not None and not place.folder.is_dir():
        raise UserError(f"{place.folder}: published.folder must be a folder that --publish has written; there is none.")
    found = {}
    for column in dict.fromkeys((*trained_columns(config), *columns_of(config))):
        path = recipe_path(place, column.name)
        if not path.is_file():
            raise UserError(
                f"{path}: there is no such recipe, so published has no pattern {column.name}; lower evaluation.draws, or "
                f"leave {column.variant} out of the variants."
            )
        found[column] = read_recipe(path)
        _check(config, dataset, path, column, found[column].recipe)
    return found


def with_recipes(config: ExperimentConfig, recipes: Mapping[VariantPattern, Published]) -> ExperimentConfig:
    """Return the config with the hashes of its recipes recorded, so that results are never mistaken for those of others.

    Raises:
        UserError: the config has recorded other hashes already.

    """
    place = config.published
    if place is None:
        return config
    found = {column.name: recipe.recipe_sha256 for column, recipe in recipes.items()}
    if place.recipes and dict(place.recipes) != found:
        changed = sorted(name for name in found.keys() | place.recipes.keys() if found.get(name) != place.recipes.get(name))
        raise UserError(
            f"published.recipes must be those of {place.benchmark or place.folder}, and {', '.join(changed)} differ; remove "
            "published.recipes, which is filled in."
        )
    return config.model_copy(update={"published": place.model_copy(update={"recipes": found})})


def _check(config: ExperimentConfig, dataset: str, path: Path, column: VariantPattern, recipe: Recipe) -> None:
    """Require that a recipe is for the config's dataset, and made as the config says of the variant's m_ψ."""
    own = column.variant in config.alternatives
    form, section = config.form(column.variant), f"alternatives.{column.variant}" if own else "perturbation"
    variant = "modified" if own else column.variant
    if (recipe.dataset, recipe.variant) != (dataset, variant):
        raise UserError(
            f"{path}: must be of {variant} images of {dataset}; it is of {recipe.variant} images of {recipe.dataset}."
        )
    if recipe.network is not None:
        stated, made = form.model_dump(), recipe.network.perturbation.model_dump()
    elif recipe.epsilon > 0:
        stated = {"epsilon": form.epsilon, "bound": form.bound}
        made = {"epsilon": recipe.epsilon, "bound": recipe.bound}
    else:
        return
    for key in [key for key in {**stated, **made} if stated.get(key) != made.get(key)]:
        raise UserError(
            f"{section}.{key} must be {made.get(key)}, with which the published patterns were made ({path.name}); got "
            f"{stated.get(key)}. Correct it, or remove [published] to train an m_ψ of your own."
        )
