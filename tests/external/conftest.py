"""Fixtures for this folder: a separate cache, filled once per worker, and a small benchmark in a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_files import SmallSprites, write_small_file

from perturb.entries.packaged import known_files


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache folder, set as PERTURB_CACHE for this process and its children."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERTURB_CACHE", str(folder))
        patch.delenv("PERTURB_BENCHMARK_URL", raising=False)
        yield folder


@pytest.fixture
def sprites(tmp_path: Path) -> Path:
    """A folder with two variants of a small dSprites."""
    folder = tmp_path / "sprites"
    for variant in ("original", "modified"):
        write_small_file(folder / f"{variant}.h5", SmallSprites(), variant)
    return folder


@pytest.fixture
def without_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the recipes of dSprites and Shapes3D that ship with the package."""
    published = {"mini": known_files()["mini"]}
    monkeypatch.setattr("perturb.entries.packaged.known_files", lambda: published)
