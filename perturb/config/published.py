"""Published patterns, on which an experiment trains its methods instead of training an m_ψ of its own."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from perturb.config.section import Section


class PublishedPlace(Section):
    """A place that recipes are published in: one of the package's benchmarks, or a folder."""

    benchmark: Literal["mini", "dsprites", "shapes3d"] | None = None
    """The benchmark whose recipes come with the package."""
    folder: Path | None = None
    """Folder written by `perturb run … --publish`; a relative path is relative to the config."""


class PublishedConfig(PublishedPlace):
    """The published patterns of an experiment."""

    recipes: dict[str, str] = Field(default={})
    """SHA-256 of each recipe, by the name of its file without suffix; filled in when the experiment is planned."""

    @model_validator(mode="after")
    def _is_in_one_place(self) -> "PublishedConfig":
        if (self.benchmark is None) == (self.folder is None):
            raise ValueError("published must have either a benchmark, such as shapes3d, or a folder of recipes")
        return self


class PublishedRecipe(PublishedPlace):
    """One recipe, by its place, name and content."""

    name: str
    """Name of its file without suffix, such as `modified-2`."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the recipe, as benchmark files carry it in their attributes."""
