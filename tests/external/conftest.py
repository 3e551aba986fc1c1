"""A cache of their own for the tests of this folder, filled once for each worker; a small benchmark in a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_files import SmallSprites, write_small_file

from perturb.entries.packaged import known_files


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """PERTURB_CACHE for this process and all that it starts."""
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
    """dSprites and Shapes3D as if nothing of them came with the package."""
    published = {"mini": known_files()["mini"]}
    monkeypatch.setattr("perturb.entries.packaged.known_files", lambda: published)
