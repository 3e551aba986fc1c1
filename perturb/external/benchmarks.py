"""The files of a benchmark: made from recipes, downloaded, or in a folder of one's own."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.entries.packaged import BENCHMARKS, known_files, recipe_hash, recipes
from perturb.errors import UserError
from perturb.external import cached
from perturb.files import read_json, sha256_of
from perturb.proofs import proved
from perturb.variants import VariantPattern, pattern_in_name

URL_VARIABLE = "PERTURB_BENCHMARK_URL"
CACHE_VARIABLE = "PERTURB_CACHE"


@dataclass(frozen=True)
class Benchmark:
    """The files of one."""

    name: str
    """The benchmark's name, as entries state it."""
    files: dict[VariantPattern, Path]
    """Files by variant and pattern."""
    results: Path | None = None
    """The results.json of the run that wrote them."""


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
    """The files of some variants.

    Args:
        what: one of BENCHMARKS, a folder of benchmark files, or the results.json of a run.
        variants: which ones.
        draws: numbers of the patterns that are wanted, of variants that have so many.
        download: bring files that are not there, instead of making them.
        url: from where: address or path of a folder with an index.json; None: what PERTURB_BENCHMARK_URL says.
        cache: folder of named benchmarks; None: as `cache_folder`.
        original: the authors' own file of a named benchmark's images (or a folder of tensorflow_datasets, or a benchmark
            file), whose images take the place of our renderer's.
        before_making: called if a named benchmark's file is not there, before the first is made or brought, which may take
            minutes.

    Raises:
        UserError: there is no such benchmark, or it has no such variant or none of the patterns; or the original is none.

    """
    name, original = str(what), None if original is None else Path(original)
    if name not in BENCHMARKS:
        if original is not None:
            raise UserError(f"{original}: other originals are for {', '.join(BENCHMARKS)}; {name} has files of its own.")
        return _of_ones_own(Path(what), variants, draws)
    made_of, folder = recipes(name), cache_folder(cache) / name
    if original is not None and not made_of:
        raise UserError(f"{original}: {name} has no recipes in the package that could be laid on it.")
    columns = _wanted(name, made_of or [VariantPattern(variant) for variant in variants], variants, draws)
    told_apart = "" if original is None else f"-on-{hashlib.sha256(str(original.resolve()).encode()).hexdigest()[:8]}"
    paths = {column: folder / f"{name}-{column.name}{told_apart}.h5" for column in columns}
    origin = url or os.environ.get(URL_VARIABLE)
    if before_making is not None and not all(path.is_file() for path in paths.values()):
        before_making()
    for column, path in paths.items():
        if original is not None or (made_of and not (download and origin)):
            cached.make(path, made_of[column], name, column, original)
        else:
            _fetch(path, name, column, download=download, origin=origin)
    # Scores on other images are others, and so is the benchmark.
    return Benchmark(name if original is None else f"{name}, other originals", paths)


def usual_variants(what: str | Path) -> tuple[str, ...]:
    """The variants of a benchmark that a model meets if nobody says which: original, modified and a control.

    The control is noise or, where there is none, the untrained pattern. Of a benchmark that has no recipes and of one's own
    files, nothing is looked at: it is noise.
    """
    there = {column.variant for column in recipes(str(what))} if str(what) in BENCHMARKS else set()
    return "original", "modified", next((control for control in ("noise", "untrained") if control in there), "noise")


def get_file(name: str, *, cache: Path | None = None, original: Path | None = None) -> Path:
    """The file of a benchmark by its name, made where it is not there yet.

    Args:
        name: `mini-modified`; further patterns are `mini-modified-2`, `mini-modified-3`, …
        cache: folder of named benchmarks; None: as `cache_folder`.
        original: as in `find_benchmark`.

    Raises:
        UserError: there is no such file, or it can neither be made nor found.

    """
    said = re.fullmatch(rf"({'|'.join(BENCHMARKS)})-([a-z_]+)(?:-([1-9]\d{{0,2}}))?", name)
    if said is None:
        raise UserError(
            f"{name} is no file of a benchmark: it must be {', '.join(BENCHMARKS)}, a hyphen and a variant, such as "
            "mini-modified, or mini-modified-2 for its second pattern."
        )
    found = find_benchmark(said[1], [said[2]], draws=[int(said[3] or 1) - 1], cache=cache, original=original)
    (path,) = found.files.values()
    return path


def cache_folder(given: Path | None = None) -> Path:
    """The folder for benchmark files that is asked for, else that of PERTURB_CACHE, else `perturb` in the user's cache.

    Raises:
        UserError: it is a file, or cannot be made.

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
    """The columns of a benchmark that are asked for, at least one of each variant."""
    there, found = list(there), []
    for variant in variants:
        patterns = [column.pattern for column in there if column.variant == variant]
        chosen = [VariantPattern(variant, draw) for draw in draws if draw in patterns]
        if not patterns:
            known = ", ".join(dict.fromkeys(column.variant for column in there))
            raise UserError(f"{name} has no variant {variant}; it has {known or 'none'}.")
        if not chosen:
            asked = ", ".join(map(str, draws))
            raise UserError(f"{name} has the patterns 0 to {max(patterns)} of the variant {variant}; got {asked}.")
        found += chosen
    return found


def _fetch(path: Path, name: str, column: VariantPattern, *, download: bool, origin: str | None) -> None:
    """Bring a file of a benchmark from an address, unless it is there."""
    if not path.is_file() and not (download and origin):
        wish = "ask for a download" if origin else f"ask for a download and say from where ({URL_VARIABLE}, or url)"
        raise UserError(
            f"{path} is not there; {wish}, or make it with `perturb run configs/{name}.toml` and name its results.json "
            f"instead of {name}."
        )
    cached.fetch(path, name, column, origin if download else None)


def _of_ones_own(path: Path, variants: Sequence[str], draws: Sequence[int]) -> Benchmark:
    """Benchmark files in a folder, or those that a results.json lists."""
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
    """Files by variant and pattern; one whose name says nothing is the variant's first, if none is named so."""
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
                f"{path} must hold files of one ground truth; {file.path.name} is of another than {first.path.name}."
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
    """The name of a published benchmark whose files these are, else one that says that they are not."""
    for name, published in known_files().items():
        hashes = {VariantPattern(known.variant, known.draw): known.recipe_sha256 for known in published}
        if all(column in hashes and recipe_hash(file) == hashes[column] for column, file in files.items()):
            return name
    return f"{next(iter(files.values())).name}, own files"
