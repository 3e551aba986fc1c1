"""Fixtures for flows, with one Prefect server per session."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_servers import COMMAND, dask_scheduler, free_port, prefect_server


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the API of a running server."""
    pytest.importorskip("prefect")
    with prefect_server(tmp_path_factory.mktemp("prefect"), free_port()) as (address, _):
        yield address


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """Address (HOST:PORT) of a Dask scheduler without workers."""
    pytest.importorskip("distributed")
    with dask_scheduler(tmp_path) as address:
        yield address


@pytest.fixture
def perturb(api: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Function that runs the `perturb` command with the server configured."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
        environment = os.environ | {"PREFECT_API_URL": api, "PREFECT_HOME": str(tmp_path / "home")} | environment
        return subprocess.run(
            [*COMMAND, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=600, check=False
        )

    return run


@pytest.fixture
def long_toml(tiny_toml: Path) -> Path:
    """The tiny experiment with trainings of some seconds that write checkpoints."""
    text = (
        tiny_toml.read_text().replace("steps = 12", "steps = 300").replace("checkpoint_every = 5", "checkpoint_every = 10")
    )
    path = tiny_toml.with_name("long.toml")
    path.write_text(text)
    return path
