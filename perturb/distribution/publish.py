"""Prepare a folder of benchmark files for publication: dataset card, croissant.json, index.json."""

import os
import shutil
from contextlib import suppress
from datetime import date
from pathlib import Path

from perturb.datasets.hdf5.schema import RECIPE, WEIGHTS
from perturb.distribution.card import MARK, render_card
from perturb.distribution.croissant import croissant_of
from perturb.distribution.http import is_web_address
from perturb.distribution.index import INDEX, stays_below
from perturb.distribution.listing import list_folder
from perturb.errors import UserError
from perturb.files import atomic_write, read_json, sha256_of, write_json, write_text

CARD, CROISSANT = "README.md", "croissant.json"


def publish(folder: Path, *, today: date, url: str | None = None) -> list[Path]:
    """Describe the benchmark files of a folder in a card, in croissant.json and, last, in index.json; return their paths.

    Args:
        folder: folder with finished benchmark files of one dataset.
        today: date for croissant.json.
        url: future address of the folder, for the card and croissant.json.

    Raises:
        UserError: as for `list_folder`; or the address is invalid, the folder has a README.md of the user's, or it cannot be
            written to.

    """
    if url is not None and not is_web_address(url):
        raise UserError(f"--url must be an address that begins with https:// or http://, got {url}.")
    card, croissant, index = (folder / name for name in (CARD, CROISSANT, INDEX))
    if card.exists() and not (card.is_file() and MARK in card.read_text(encoding="utf-8", errors="replace")):
        raise UserError(f"{card}: was not written by perturb and would be lost; move it elsewhere.")
    listing = list_folder(folder)
    write_text(card, render_card(listing, url=url))
    write_json(croissant, croissant_of(listing, published=today, url=url))
    write_json(index, listing.index.model_dump(mode="json"))
    return [card, croissant, index]


def gather(results: Path, folder: Path) -> None:
    """Put the benchmark files that an experiment's results.json names into a folder, as hard links if possible, else copies.

    Args:
        results: a results.json of `perturb run`; its `files` have `name`, `path` and `sha256`.
        folder: the folder; created if missing.

    Raises:
        UserError: `results` is no such file or names no benchmark file, or a benchmark file is missing, has changed since,
            or cannot be copied.

    """
    ours = (".h5", RECIPE, WEIGHTS)
    wanted = [(name, Path(path), sha256) for name, path, sha256 in _listed(results) if name.endswith(ours)]
    if not wanted:
        raise UserError(f"{results}: names no benchmark files; run the experiment to its end first.")
    for name, path, sha256 in wanted:
        if not stays_below(name):
            raise UserError(f"{results}: `files` must have names without '..' that stay in the folder, got {name!r}.")
        source = (results.parent / path).resolve()
        if not source.is_file():
            raise UserError(f"{results}: {source} is not there any more; run the experiment again.")
        _place(source, folder / name, sha256)


def _listed(results: Path) -> list[tuple[str, str, str]]:
    found = read_json(results, "name a results.json of `perturb run`, or a folder of benchmark files")
    with suppress(KeyError, TypeError):
        listed = [(file["name"], file["path"], file["sha256"]) for file in found["files"]]
        if all(isinstance(value, str) for file in listed for value in file):
            return listed
    raise UserError(f"{results}: must be a results.json of `perturb run`, or a folder of benchmark files.")


def _place(source: Path, target: Path, sha256: str) -> None:
    """Link or copy a file to its new path, if it has the expected bytes."""
    if sha256_of(source) != sha256:
        raise UserError(f"{source}: has changed since results.json was written; run the experiment again.")
    if target.exists() and target.samefile(source):
        return  # renaming a hard link onto another one of the same file would leave both
    with atomic_write(target, needed=source.stat().st_size) as part:
        try:
            os.link(source, part)
        except OSError:
            shutil.copyfile(source, part)
