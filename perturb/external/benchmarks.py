"""The files of a benchmark: made from recipes, downloaded, or in the user's own folder."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.entries.packaged import BENCHMARKS, benchmark_name, known_files, recipe_hash, recipes
from perturb.errors import UserError
from perturb.external import cached
from perturb.files import read_json, sha256_of
from perturb.proofs import proved
from perturb.variants import VariantPattern, pattern_in_name

URL_VARIABLE = "PERTURB_BENCHMARK_URL"
CACHE_VARIABLE = "PERTURB_CACHE"


@dataclass(frozen=True)
class Benchmark:
    """The files of one benchmark."""

    name: str
    """The benchmark's name, as entries state it."""
    files: dict[VariantPattern, Path]
    """Files by variant and pattern."""
    results: Path | None = None
    """The results.json of the run that wrote the files."""


def find_benchmark(
    what: str | Path,
    variants: Sequence[str],
    *,
    draws: Sequence[int] = (0,),
    download: bool = False,
    url: str | None = None,
    cache: Path | None = None,
    original: str | Path | None = None,
    before_making: Callable[[], object] | None = None,
) -> Benchmark:
    """Return the files of some variants of a benchmark; make or download those that are missing.

    Args:
        what: one of BENCHMARKS, a folder of benchmark files, or the results.json of a run.
        variants: names of the variants.
        draws: numbers of the patterns; variants with fewer patterns return those that they have.
        download: download missing files instead of making them.
        url: address or path of a folder with an index.json to download from; None: the value of PERTURB_BENCHMARK_URL.
        cache: folder of named benchmarks; None: see `cache_folder`.
        original: the authors' own file of a named benchmark's images (or a folder of tensorflow_datasets, or a benchmark
            file), whose images replace our renderer's.
        before_making: called if a file of a named benchmark is missing, before the first is made or downloaded, which may
            take minutes.

    Raises:
        UserError: there is no such benchmark, it lacks a variant or all of the patterns, or `original` cannot be used.

    """
    name, original = str(what), None if original is None else Path(original)
    if name not in BENCHMARKS:
        if original is not None:
            raise UserError(f"{original}: other originals are for {', '.join(BENCHMARKS)}; {name} has files of its own.")
        return _of_ones_own(Path(what), variants, draws)
    made_of, folder = recipes(name), cache_folder(cache) / name
    if original is not None and not made_of:
        raise UserError(f"{original}: the package has no recipes of {name} that could be applied to it.")
    columns = _wanted(name, made_of or [VariantPattern(variant) for variant in variants], variants, draws)
    suffix = "" if original is None else f"-on-{hashlib.sha256(str(original.resolve()).encode()).hexdigest()[:8]}"
    paths = {column: folder / f"{name}-{column.name}{suffix}.h5" for column in columns}
    origin = url or os.environ.get(URL_VARIABLE)
    if before_making is not None and not all(path.is_file() for path in paths.values()):
        before_making()
    for column, path in paths.items():
        if original is not None or (made_of and not (download and origin)):
            cached.make(path, made_of[column], name, column, original)
        else:
            _fetch(path, name, column, download=download, origin=origin)
    return Benchmark(benchmark_name(name, other_originals=original is not None), paths)


def usual_variants(what: str | Path) -> tuple[str, ...]:
    """Return the default variants of a benchmark: original, modified and a control.

    The control is noise or, if the benchmark has none, the untrained pattern. For benchmarks without recipes and for the
    user's own files, nothing is checked and the control is noise.
    """
    there = {column.variant for column in recipes(str(what))} if str(what) in BENCHMARKS else set()
    return "original", "modified", next((control for control in ("noise", "untrained") if control in there), "noise")


def get_file(name: str, *, cache: Path | None = None, original: Path | None = None) -> Path:
    """Return a benchmark file by its name, and make it if it is missing.

    Args:
        name: for example `mini-modified`; further patterns are `mini-modified-2`, `mini-modified-3`, …
        cache: folder of named benchmarks; None: see `cache_folder`.
        original: as for `find_benchmark`.

    Raises:
        UserError: there is no such file, or it can neither be made nor found.

    """
    match = re.fullmatch(rf"({'|'.join(BENCHMARKS)})-([a-z_]+)(?:-([1-9]\d{{0,2}}))?", name)
    if match is None:
        raise UserError(
            f"{name} is not the name of a benchmark file: it must be one of {', '.join(BENCHMARKS)}, a hyphen and a "
            "variant, such as mini-modified, or mini-modified-2 for its second pattern."
        )
    found = find_benchmark(match[1], [match[2]], draws=[int(match[3] or 1) - 1], cache=cache, original=original)
    (path,) = found.files.values()
    return path


def cache_folder(given: Path | None = None) -> Path:
    """Return the folder for benchmark files: the given one, else PERTURB_CACHE, else `perturb` in the user's cache folder.

    Raises:
        UserError: it is a file, or cannot be created.

    """
    named = given or os.environ.get(CACHE_VARIABLE)
    folder = Path(named).expanduser() if named else user_cache_path("perturb", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be the folder for benchmark files ({error.strerror}); name another in {CACHE_VARIABLE}."
        ) from None
    return folder.resolve()


def _wanted(
    name: str, there: Iterable[VariantPattern], variants: Sequence[str], draws: Sequence[int]
) -> list[VariantPattern]:
    """Return the requested patterns of each variant, at least one per variant."""
    there, found = list(there), []
    for variant in variants:
        patterns = [column.pattern for column in there if column.variant == variant]
        chosen = [VariantPattern(variant, draw) for draw in draws if draw in patterns]
        if not patterns:
            known = ", ".join(dict.fromkeys(column.variant for column in there))
            raise UserError(f"{name} has no variant {variant}; it has {known or 'none'}.")
        if not chosen:
            given = ", ".join(map(str, draws))
            raise UserError(f"{name} has the patterns 0 to {max(patterns)} of the variant {variant}; got {given}.")
        found += chosen
    return found


def _fetch(path: Path, name: str, column: VariantPattern, *, download: bool, origin: str | None) -> None:
    """Download a benchmark file, unless it exists."""
    if not path.is_file() and not (download and origin):
        remedy = "ask for a download" if origin else f"ask for a download and say from where ({URL_VARIABLE}, or url)"
        raise UserError(
            f"{path} is not there; {remedy}, or make it with `perturb run configs/{name}.toml` and name its results.json "
            f"instead of {name}."
        )
    cached.fetch(path, name, column, origin if download else None)


def _of_ones_own(path: Path, variants: Sequence[str], draws: Sequence[int]) -> Benchmark:
    """Return the benchmark files in a folder, or those that a results.json lists."""
    if path.is_dir():
        paths = sorted(path.glob("*.h5"))
    elif path.name.endswith(".json") and path.is_file():
        paths = _listed(path)
    else:
        known = ", ".join(BENCHMARKS)
        raise UserError(f"{path} is no benchmark: it must be {known}, a folder of benchmark files or a results.json.")
    files = _by_column(path, [BenchmarkFile(file) for file in paths])
    chosen = {column: files[column] for column in _wanted(str(path), files, variants, draws)}
    _check_alike(path, list(chosen.values()))
    results = path if path.is_file() else None
    return Benchmark(_name_of(chosen), {column: file.path.resolve() for column, file in chosen.items()}, results)


def _by_column(folder: Path, files: Sequence[BenchmarkFile]) -> dict[VariantPattern, BenchmarkFile]:
    """Return files by variant and pattern; a file whose name states no pattern is the first, unless another one is."""
    found: dict[VariantPattern, BenchmarkFile] = {}
    for file in sorted(files, key=lambda file: pattern_in_name(file.path.stem, file.variant) is None):
        pattern = pattern_in_name(file.path.stem, file.variant)
        other = found.setdefault(VariantPattern(file.variant, pattern or 0), file)
        if other is not file and (pattern_in_name(other.path.stem, other.variant) is None) == (pattern is None):
            raise UserError(
                f"{folder} must have one file of each variant, and further patterns as {file.variant}-2.h5 and so on; "
                f"{other.path.name} and {file.path.name} are both of {file.variant}."
            )
    return found


def _check_alike(path: Path, files: Sequence[BenchmarkFile]) -> None:
    first, *others = files
    for file in others:
        if (file.name, file.grid, file.image_shape) != (first.name, first.grid, first.image_shape):
            raise UserError(
                f"{path} must hold files of one ground truth; {file.path.name} and {first.path.name} have different ones."
            )


def _listed(results: Path) -> list[Path]:
    try:
        found = read_json(results)["files"]
        listed = {Path(file["path"]): str(file["sha256"]) for file in found if str(file["name"]).endswith(".h5")}
    except (ValueError, KeyError, TypeError, OSError):
        raise UserError(f"{results}: must be a results.json of `perturb run`, which lists the files of a run.") from None
    for path, sha256 in listed.items():
        if sha256 and path.is_file() and not proved(path, sha256, lambda p=path, s=sha256: sha256_of(p) == s):
            raise UserError(
                f"{path}: has changed since {results} was written; remove the folder {path.parent} and run the experiment "
                "again."
            )
    return list(listed)


def _name_of(files: dict[VariantPattern, BenchmarkFile]) -> str:
    """Return the name of the published benchmark that these files belong to, else a name that marks them as own files."""
    for name, published in known_files().items():
        hashes = {VariantPattern(known.variant, known.draw): known.recipe_sha256 for known in published}
        if all(column in hashes and recipe_hash(file) == hashes[column] for column, file in files.items()):
            return name
    return f"{next(iter(files.values())).name}, own files"
