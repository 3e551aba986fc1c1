"""A cache of their own for the tests of this folder, filled once for each worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """PERTURB_CACHE for this process and all that it starts."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERTURB_CACHE", str(folder))
        patch.delenv("PERTURB_BENCHMARK_URL", raising=False)
        yield folder
