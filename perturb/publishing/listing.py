"""Everything in a folder that is published: benchmark files of one dataset, and what they can be made from again."""

from dataclasses import dataclass
from pathlib import Path

from perturb.benchmark.contents import Contents, contents_of
from perturb.benchmark.credits import PAPER, Credit, credit_of, licence_of
from perturb.errors import UserError
from perturb.files import sha256_of
from perturb.publishing.index import Index, index_of

RECIPES = (".recipe.json", ".safetensors")
"""Endings of files that belong to benchmark files."""


@dataclass(frozen=True)
class Recipe:
    """A file that is none of images."""

    file: str
    """Path below the folder, with forward slashes."""
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Listing:
    """Of one folder."""

    index: Index
    contents: tuple[Contents, ...]
    """Of each entry of the index."""
    recipes: tuple[Recipe, ...]

    @property
    def credit(self) -> Credit:
        """Of the dataset."""
        return credit_of(self.contents[0].dataset)

    @property
    def variants(self) -> list[str]:
        """Of the files, in their order."""
        return [found.variant for found in self.contents]

    @property
    def title(self) -> str:
        """What the whole is called."""
        return self.credit.title if set(self.variants) == {"original"} else f"{self.credit.title}, perturbed"

    @property
    def licences(self) -> list[str]:
        """Of the files, each once."""
        return sorted({licence_of(found.attributes) for found in self.contents})

    @property
    def citation(self) -> str:
        """BibTeX of the paper and, where they are known, of the original images."""
        return "\n".join(entry for entry in (PAPER, self.credit.bibtex) if entry)


def list_folder(folder: Path) -> Listing:
    """Look into every file of a folder, and hash it.

    Raises:
        UserError: there is no benchmark file, one is unfinished or damaged, two are the same variant, or they are of several
            datasets.

    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; name one with benchmark files.")
    index = index_of(folder)
    datasets = sorted({entry.dataset for entry in index.entries})
    if len(datasets) > 1:
        raise UserError(f"{folder}: must hold files of one dataset, got {', '.join(datasets)}; use a folder for each.")
    contents = tuple(contents_of(folder / entry.file) for entry in index.entries)
    if len({found.grid for found in contents}) > 1:
        raise UserError(f"{folder}: all files must be of the same grid of factors; use a folder for each.")
    others = sorted(path for path in folder.rglob("*") if path.name.endswith(RECIPES) and not path.is_symlink())
    recipes = (Recipe(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path)) for path in others)
    return Listing(index, contents, tuple(recipes))
