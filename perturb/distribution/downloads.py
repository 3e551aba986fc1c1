"""Downloads by name: the authors' files, and files that an index lists."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from perturb.datasets.hdf5.schema import RECIPE, WEIGHTS
from perturb.datasets.official_sources import OFFICIAL_SOURCES
from perturb.distribution.fetch import fetch
from perturb.distribution.http import address_below, read_at_most
from perturb.distribution.index import INDEX, LARGEST_INDEX, Entry, Listed, parse_index
from perturb.errors import UserError

ALL = "all"

Report = Callable[[str, int, int], None]


def _silent(name: str, done: int, total: int) -> None:
    """Report nothing."""


def fetch_official(name: str, folder: Path, *, origin: str | None = None, report: Report = _silent) -> tuple[Path, bool]:
    """Download the file that the authors of a dataset publish, unless it exists.

    Args:
        name: key of the dataset.
        folder: folder for the file.
        origin: address of the file or, with a trailing slash, of its folder, instead of the authors' own.
        report: called with (name, bytes so far, total bytes).

    Returns:
        The file, and whether it was downloaded.

    Raises:
        UserError: there is no such download, or as for `fetch`.

    """
    if name not in OFFICIAL_SOURCES:
        raise UserError(f"{name} has no official file to fetch; those there are: {', '.join(OFFICIAL_SOURCES)}.")
    source = OFFICIAL_SOURCES[name]
    address = source.url if origin is None else origin
    if address.endswith("/"):
        address = address_below(address, source.file)
    target = folder.resolve() / source.file
    return target, fetch(address, target, sha256=source.sha256, size=source.size, report=partial(report, name))


def download_published(
    name: str, origin: str, folder: Path, *, recipe: bool = False, report: Report = _silent
) -> list[tuple[Path, bool]]:
    """Download files that an index lists and save them as `<name>.h5`, unless they exist.

    Entry names are safe and unique within an index, which the names of its files may not be.

    Args:
        name: name of an entry, or `all`.
        origin: address of the folder with the index, or of the index.
        folder: folder for the files.
        recipe: download `<name>.recipe.json` and the weights instead, from which the file can be rebuilt.
        report: called with (name, bytes so far, total bytes).

    Returns:
        Each file, and whether it was downloaded.

    Raises:
        UserError: there is no index, it does not list the name or a recipe for it, or as for `fetch`.

    """
    base = origin.removesuffix(f"/{INDEX}")
    address = address_below(base, INDEX)
    index = parse_index(read_at_most(address, LARGEST_INDEX + 1), address)
    chosen = index.entries if name == ALL else [index.entry(name)]
    wanted = [(f"{entry.name}{ending}", part) for entry in chosen for ending, part in _parts(entry, recipe=recipe)]
    return [_downloaded(each, base, folder / saved_as, report) for saved_as, each in wanted]


def _parts(entry: Entry, *, recipe: bool) -> list[tuple[str, Listed]]:
    """Return the files to download, each with the suffix of the name to save it under."""
    if not recipe:
        if (whole := entry.listed) is None:
            raise UserError(
                f"{entry.name} is published there only as a recipe; download that with --recipe, and make the file from it "
                "with `perturb dataset build`."
            )
        return [(".h5", whole)]
    found = [(ending, part) for part in entry.recipe for ending in (RECIPE, WEIGHTS) if part.file.endswith(ending)]
    if RECIPE not in dict(found):
        raise UserError(f"{entry.name} is published without a recipe; leave out --recipe.")
    return found


def _downloaded(listed: Listed, base: str, target: Path, report: Report) -> tuple[Path, bool]:
    address, target = address_below(base, listed.file), target.resolve()
    return target, fetch(address, target, sha256=listed.sha256, size=listed.bytes, report=partial(report, target.name))
