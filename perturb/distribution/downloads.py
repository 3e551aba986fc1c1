"""Downloads by name: the authors' files, and what an index lists."""

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
    """The file that the authors of a dataset publish.

    Args:
        name: key of the dataset.
        folder: to put the file into.
        origin: address of the file, or with a slash at its end of its folder, instead of the authors' own.
        report: told (name, bytes here, bytes in all).

    Returns:
        The file, and whether it had to be brought.

    Raises:
        UserError: there is no such download, or as `fetch`.

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
    """Files that an index lists, as `<name>.h5`: names in an index are safe and differ, those of its files may not.

    Args:
        name: of an entry, or `all`.
        origin: address of the folder with the index, or of the index.
        folder: to put the files into.
        recipe: bring `<name>.recipe.json` and the weights instead, which make the file again.
        report: told (name, bytes here, bytes in all).

    Returns:
        Each file, and whether it had to be brought.

    Raises:
        UserError: there is no index, it does not list the name or a recipe for it, or as `fetch`.

    """
    base = origin.removesuffix(f"/{INDEX}")
    address = address_below(base, INDEX)
    index = parse_index(read_at_most(address, LARGEST_INDEX + 1), address)
    chosen = index.entries if name == ALL else [index.entry(name)]
    wanted = [(f"{entry.name}{ending}", part) for entry in chosen for ending, part in _parts(entry, recipe=recipe)]
    return [_downloaded(each, base, folder / saved_as, report) for saved_as, each in wanted]


def _parts(entry: Entry, *, recipe: bool) -> list[tuple[str, Listed]]:
    """Ending of the name to save it by, and the file."""
    if not recipe:
        if (whole := entry.listed) is None:
            raise UserError(
                f"{entry.name} is published there as its recipe alone; bring that with --recipe, and make the file of it "
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
