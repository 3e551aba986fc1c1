"""Where the files of a benchmark are: made from recipes, downloaded, or in a folder of one's own."""

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perturb.benchmark.recipe import build, read_recipe
from perturb.benchmark.verify import verify_file
from perturb.datasets.benchmark_file import BenchmarkFile
from perturb.errors import UserError
from perturb.files import read_json
from perturb.outside.cache import cache_folder, locked
from perturb.outside.packaged import MINI, known_files, recipe_hash, recipes
from perturb.transfer.downloads import download_published

URL_VARIABLE = "PERTURB_BENCHMARK_URL"
NAMES = (MINI, "dsprites", "shapes3d")
"""Benchmarks that have a name; anything else is a path."""


@dataclass(frozen=True)
class Benchmark:
    """The files of one."""

    name: str
    """As entries state it."""
    files: dict[str, Path]
    """By variant."""
    results: Path | None = None
    """The results.json of the run that wrote them."""


def find_benchmark(
    what: str | Path,
    variants: Sequence[str],
    *,
    download: bool = False,
    url: str | None = None,
    cache: Path | None = None,
) -> Benchmark:
    """The files of some variants.

    Args:
        what: one of NAMES, a folder of benchmark files, or the results.json of a run.
        variants: which ones.
        download: bring files that are not there.
        url: from where: address or path of a folder with an index.json; None: what PERTURB_BENCHMARK_URL says.
        cache: folder of named benchmarks; None: as `cache_folder`.

    Raises:
        UserError: there is no such benchmark, or it has no such variant.

    """
    if str(what) == MINI:
        return Benchmark(MINI, {variant: _made(variant, cache_folder(cache)) for variant in variants})
    if str(what) in NAMES:
        folder = cache_folder(cache)
        return Benchmark(str(what), {v: _fetched(str(what), v, folder, download=download, url=url) for v in variants})
    return _of_ones_own(Path(what), variants)


def _made(variant: str, cache: Path) -> Path:
    """A file of mini, made from its recipe, with its bound proven, the first time that someone asks for it."""
    found = recipes()
    if variant not in found:
        raise UserError(f"mini has the variants {', '.join(found)}; got {variant}.")
    path = cache / MINI / f"{MINI}-{variant}.h5"
    with locked(path.with_suffix(".lock")):
        if not _is_of_recipe(path, found[variant]):
            new = path.with_name(f"{variant}.{uuid.uuid4().hex[:8]}.new.h5")
            try:
                build(found[variant], new)
                verify_file(new)
                os.replace(new, path)
            finally:
                new.unlink(missing_ok=True)
    return path


def _is_of_recipe(path: Path, recipe: Path) -> bool:
    """Whether a file is there, whole, and of this recipe: an older perturb may have left another one."""
    try:
        return BenchmarkFile(path).attributes.get("recipe") == read_recipe(recipe).recipe.model_dump_json()
    except UserError:
        return False


def _fetched(name: str, variant: str, cache: Path, *, download: bool, url: str | None) -> Path:
    """A file of a benchmark that is too large to come with the package."""
    folder = cache / name
    path, origin = folder / f"{name}-{variant}.h5", url or os.environ.get(URL_VARIABLE)
    if path.is_file():
        return path
    if not download or origin is None:
        wish = "ask for a download" if origin else f"ask for a download and say from where ({URL_VARIABLE}, or url)"
        raise UserError(
            f"{path} is not there; {wish}, or make it with `perturb run configs/{name}.toml` and name its results.json "
            f"instead of {name}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return download_published(f"{name}-{variant}", origin, folder)[0][0]


def _of_ones_own(path: Path, variants: Sequence[str]) -> Benchmark:
    """Benchmark files in a folder, or those that a results.json lists."""
    if path.is_dir():
        paths = sorted(path.glob("*.h5"))
    elif path.name.endswith(".json") and path.is_file():
        paths = _listed(path)
    else:
        known = ", ".join(NAMES)
        raise UserError(f"{path} is no benchmark: it must be {known}, a folder of benchmark files or a results.json.")
    files: dict[str, BenchmarkFile] = {}
    for file in map(BenchmarkFile, paths):
        if other := files.get(file.variant):
            names = f"{other.path.name} and {file.path.name}"
            raise UserError(f"{path} must have one file of each variant; {names} are both of {file.variant}.")
        files[file.variant] = file
    if missing := [variant for variant in variants if variant not in files]:
        raise UserError(f"{path} has no file of the variant {', '.join(missing)}; it has {', '.join(files) or 'none'}.")
    chosen = {variant: files[variant] for variant in variants}
    _check_alike(path, list(chosen.values()))
    results = path if path.is_file() else None
    return Benchmark(_name_of(chosen), {v: file.path.resolve() for v, file in chosen.items()}, results)


def _check_alike(path: Path, files: Sequence[BenchmarkFile]) -> None:
    first, *others = files
    for file in others:
        if (file.name, file.grid, file.image_shape) != (first.name, first.grid, first.image_shape):
            raise UserError(
                f"{path} must hold files of one ground truth; {file.path.name} is of another than {first.path.name}."
            )


def _listed(results: Path) -> list[Path]:
    try:
        return [Path(file["path"]) for file in read_json(results)["files"] if str(file["name"]).endswith(".h5")]
    except (ValueError, KeyError, TypeError, OSError):
        raise UserError(f"{results}: must be a results.json of `perturb run`, which lists the files of a run.") from None


def _name_of(files: dict[str, BenchmarkFile]) -> str:
    """The name of a published benchmark whose files these are, else one that says that they are not."""
    for name, published in known_files().items():
        if all(v in published and recipe_hash(file) == published[v].recipe_sha256 for v, file in files.items()):
            return name
    return f"{next(iter(files.values())).name}, own files"
