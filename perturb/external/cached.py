"""The files of named benchmarks in the cache: brought there, recorded, and on every use held against record and name.

A record, `records/<file>.json` in the cache, holds size and sha256 of the file as it was made or downloaded. A file that
somebody has put there by hand has none; its images are held against the hash that it states.
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
    """Make a file from its recipe, with its bound proved, unless it is there as it was made.

    Args:
        path: of the file, in the benchmark's folder in the cache.
        recipe: of the package.
        name: of the benchmark.
        column: variant and pattern.
        original: the file or folder with the images that take the place of the renderer's; None: the recipe's own.

    Raises:
        UserError: it cannot be made; or as `on_other_originals`.

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
    """Require that a file is undamaged and what its place says: ground truth, grid, images, variant, ε, published hash.

    Raises:
        UserError: it is not.

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
    """Bring a file where it is not there, or damaged.

    Args:
        path: of the file, in the benchmark's folder in the cache.
        name: of the benchmark.
        column: variant and pattern.
        origin: address of the folder with the index; None: take what is there.

    Raises:
        UserError: it is not there and cannot be brought, or as `require`.

    """
    damaged = bool(_recorded(path)) and not _is_as_recorded(path)
    if origin is None or (path.is_file() and not damaged):
        return require(path, name, column)
    from perturb.distribution.downloads import download_published

    if damaged:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    ((_, brought),) = download_published(f"{name}-{column.name}", origin, path.parent)
    _record(path, path)
    try:
        require(path, name, column)
    except UserError:
        if brought:
            path.unlink()
        raise
    return None


def _differences(path: Path, name: str, column: VariantPattern, published: bool = True) -> Iterator[tuple[str, Any, Any]]:
    """Yield the properties in which a file differs from what its place promises: name, wanted value, found value.

    Only a file that has the `published` originals is held against published hashes.
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
    """Return whether a file is there, whole, and of this recipe: an older perturb may have left another one."""
    try:
        return BenchmarkFile(path).attributes.get("recipe") == recipe.model_dump_json()
    except UserError:
        return False


def _is_as_recorded(path: Path) -> bool:
    recorded = _recorded(path)
    return bool(recorded) and damage_of(path, **recorded) is None


def _record(path: Path, made: Path) -> None:
    """Write the record of a file that has just been checked, before or after the file gets its name."""
    write_json(_place_of_record(path), {"size": made.stat().st_size, "sha256": sha256_of(made)})


def _recorded(path: Path) -> dict[str, Any]:
    """Return the recorded size and sha256; nothing where there is no record, or none that can be read."""
    try:
        found = read_json(_place_of_record(path))
        return {"size": int(found["size"]), "sha256": str(found["sha256"])}
    except (UserError, ValueError, TypeError, KeyError):
        return {}


def _place_of_record(path: Path) -> Path:
    return path.parent.parent / RECORDS / f"{path.name}.json"
