"""The cached files of named benchmarks: made or downloaded, recorded, and checked against record and name on every use.

A record, `records/<file>.json` in the cache, holds the size and sha256 of the file as it was made or downloaded. A file that
somebody has put there by hand has no record; its images are checked against the hash that the file itself states.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from perturb.benchmark.recipe import Recipe, build_from, on_other_originals, read_recipe
from perturb.benchmark.verify import verify_file
from perturb.datasets import DATASETS
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.entries.packaged import is_published
from perturb.errors import UserError
from perturb.files import read_json, sha256_of, write_json
from perturb.locks import locked
from perturb.progress import bar
from perturb.proofs import damage_of
from perturb.statistics.scores import BASELINE
from perturb.variants import VariantPattern, kind_of

RECORDS = "records"


def make(path: Path, recipe: Path, name: str, column: VariantPattern, original: Path | None = None) -> None:
    """Make a file from its recipe and verify its bound ε, unless an intact one exists.

    Args:
        path: path of the file, in the benchmark's folder in the cache.
        recipe: a recipe that comes with the package.
        name: name of the benchmark.
        column: variant and pattern.
        original: file or folder with the images that replace the renderer's; None: the recipe's own.

    Raises:
        UserError: the file cannot be made; or as for `on_other_originals`.

    """
    wanted = read_recipe(recipe).recipe
    if original is not None:
        wanted = on_other_originals(wanted, original)
    with locked(path.with_suffix(".lock")):
        published = original is None
        if _is_as_recorded(path) and _is_of(path, wanted) and not list(_differences(path, name, column, published)):
            return
        new = path.with_name(f"{path.stem}.{uuid.uuid4().hex[:8]}.new.h5")
        try:
            with bar(f"making {path.name}") as report:
                build_from(wanted, recipe, new, origin=original, report=report)
            with bar(f"verifying {path.name}") as report:
                verify_file(new, origin=original, report=report)
            _record(path, new)
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)


def require(path: Path, name: str, column: VariantPattern) -> None:
    """Check that a file is undamaged and matches its name: ground truth, grid, images, variant, ε, published hash.

    Raises:
        UserError: it is damaged or does not match.

    """
    if (recorded := _recorded(path)) and (finding := damage_of(path, **recorded)):
        raise UserError(f"{path}: {finding}; remove it, and make or download it again.")
    for what, wanted, found in _differences(path, name, column):
        raise UserError(
            f"{path}: is not {name}'s {column.name}, because {what} must be {wanted}, got {found}; remove it, and make or "
            "download it again."
        )
    if not recorded:
        BenchmarkFile(path).prove()


def fetch(path: Path, name: str, column: VariantPattern, origin: str | None) -> None:
    """Download a file if it is missing or damaged.

    Args:
        path: path of the file, in the benchmark's folder in the cache.
        name: name of the benchmark.
        column: variant and pattern.
        origin: address of the folder with the index; None: use the existing file.

    Raises:
        UserError: the file is missing and cannot be downloaded, or as for `require`.

    """
    damaged = bool(_recorded(path)) and not _is_as_recorded(path)
    if origin is None or (path.is_file() and not damaged):
        return require(path, name, column)
    from perturb.distribution.downloads import download_published

    if damaged:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    ((_, downloaded),) = download_published(f"{name}-{column.name}", origin, path.parent)
    _record(path, path)
    try:
        require(path, name, column)
    except UserError:
        if downloaded:
            path.unlink()
        raise
    return None


def _differences(path: Path, name: str, column: VariantPattern, published: bool = True) -> Iterator[tuple[str, Any, Any]]:
    """Yield the properties in which a file differs from what its name promises: property, wanted value, found value.

    Only a file of the `published` originals is compared with published hashes.
    """
    file, truth = BenchmarkFile(path), DATASETS[name].kind
    pairs = {
        "the ground truth": (name, file.name),
        "the factors' names": (truth.grid.names, file.grid.names),
        "the grid": (truth.grid.sizes, file.grid.sizes),
        "the factors without order": (truth.grid.unordered, file.grid.unordered),
        "the images' shape": (tuple(truth.image_shape), tuple(file.image_shape)),
        "the layout": (truth.layout, file.layout),
        "the variant": (kind_of(column.variant), file.variant),
    }
    for what, (wanted, found) in pairs.items():
        if wanted != found:
            yield what, wanted, found
            return
    if not all(map(np.array_equal, truth.factor_values, file.factor_values)):
        yield "the factors' values", f"those of {name}", "others"
    if (file.epsilon == 0) != (column.variant == BASELINE):
        yield "ε", "0" if column.variant == BASELINE else "above 0", f"{file.epsilon:g}"
    if published and not is_published(name, column, file):
        yield "the sha256 of its images, or its recipe,", "published", file.images_sha256


def _is_of(path: Path, recipe: Recipe) -> bool:
    """Return whether a readable file of this recipe exists: an older perturb may have left one of another recipe."""
    try:
        return BenchmarkFile(path).attributes.get("recipe") == recipe.model_dump_json()
    except UserError:
        return False


def _is_as_recorded(path: Path) -> bool:
    recorded = _recorded(path)
    return bool(recorded) and damage_of(path, **recorded) is None


def _record(path: Path, made: Path) -> None:
    """Write the record of a file that has just been checked, before or after it is renamed to its final path."""
    write_json(_place_of_record(path), {"size": made.stat().st_size, "sha256": sha256_of(made)})


def _recorded(path: Path) -> dict[str, Any]:
    """Return the recorded size and sha256; {} if there is no readable record."""
    try:
        found = read_json(_place_of_record(path))
        return {"size": int(found["size"]), "sha256": str(found["sha256"])}
    except (UserError, ValueError, TypeError, KeyError):
        return {}


def _place_of_record(path: Path) -> Path:
    return path.parent.parent / RECORDS / f"{path.name}.json"
