"""The published content of a folder: benchmark files of one dataset, with their recipes and weights."""

from dataclasses import dataclass
from pathlib import Path

from perturb.benchmark.credits import PAPER, Credit, credit_of
from perturb.datasets.hdf5.reader import BenchmarkFile
from perturb.datasets.hdf5.schema import RECIPE, WEIGHTS
from perturb.distribution.index import Index, Listed, files_below, index_of
from perturb.errors import UserError

RECIPES = (RECIPE, WEIGHTS)
"""Suffixes of the files that accompany benchmark files."""


@dataclass(frozen=True)
class Listing:
    """The benchmark files of one folder."""

    index: Index
    files: tuple[BenchmarkFile, ...]
    """The file of each entry of the index."""

    @property
    def credit(self) -> Credit:
        """The credit of the dataset."""
        return credit_of(self.files[0].name, self.files[0].source)

    @property
    def wholes(self) -> list[Listed]:
        """The benchmark files themselves."""
        return [listed for entry in self.index.entries if (listed := entry.listed)]

    @property
    def recipes(self) -> list[Listed]:
        """The recipes and weights from which the files can be rebuilt."""
        return [part for entry in self.index.entries for part in entry.recipe]

    @property
    def variants(self) -> list[str]:
        """Variants of the files, in their order."""
        return [file.variant for file in self.files]

    @property
    def title(self) -> str:
        """The name of the whole folder."""
        return self.credit.title if set(self.variants) == {"original"} else f"{self.credit.title}, perturbed"

    @property
    def licences(self) -> list[str]:
        """Licences of the files, each once: as the files state, else as known for their images."""
        return sorted(
            {str(file.attributes.get("licence") or credit_of(file.name, file.source).licence) for file in self.files}
        )

    @property
    def citation(self) -> str:
        """BibTeX of the paper and, if known, of the original images."""
        return "\n".join(entry for entry in (PAPER, self.credit.bibtex) if entry)


def list_folder(folder: Path) -> Listing:
    """Open and hash every benchmark file of a folder.

    Raises:
        UserError: there is no benchmark file, one is unfinished or damaged, two are the same variant, or they belong to
            several datasets.

    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; name one with benchmark files.")
    files = files_below(folder)
    datasets = sorted({file.name for file in files})
    if len(datasets) > 1:
        raise UserError(f"{folder}: must hold files of one dataset, got {', '.join(datasets)}; use a folder for each.")
    if len({file.grid for file in files}) > 1:
        raise UserError(f"{folder}: all files must be of the same grid of factors; use a folder for each.")
    return Listing(index_of(folder, files), tuple(files))
