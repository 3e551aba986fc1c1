"""The experiment on a real Ray, started with the flow."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from real_servers import wait_for

from perturb.errors import UserError
from perturb.execution.origin import origin_at
from perturb.execution.settings import RunSettings
from perturb.files import read_json

pytest.importorskip("ray")

from perturb_flows.runners import make_workers

pytestmark = pytest.mark.flow
Perturb = Callable[..., subprocess.CompletedProcess]


def _rows(stdout: str) -> list[dict]:
    return read_json(Path(stdout.strip().splitlines()[-1]))["rows"]


def test_ray_gives_the_rows_of_plain_python(tiny_toml: Path, tmp_path: Path, perturb: Perturb) -> None:
    on_ray = perturb("run", tiny_toml, "--artifacts", tmp_path / "ray", "--runner", "ray", "--workers", 2)
    assert on_ray.returncode == 0, on_ray.stderr
    plain = perturb("run", tiny_toml, "--artifacts", tmp_path / "plain", "--no-prefect", "--workers", 2)
    assert _rows(on_ray.stdout) == _rows(plain.stdout)
    assert list((tmp_path / "ray" / "scratch").iterdir()) == []


def test_without_ray_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "perturb_flows.ray_workers", raising=False)
    missing = r"^--runner ray: ray is missing; `pip install 'perturb\[ray\]'` adds it\.$"
    with origin_at(tmp_path) as origin, pytest.raises(UserError, match=missing):
        make_workers("ray", RunSettings(), origin)


def test_a_killed_worker_of_ray_costs_no_run(long_toml: Path, tmp_path: Path, perturb: Perturb) -> None:
    artifacts = tmp_path / "artifacts"
    arguments = ["run", long_toml, "--artifacts", artifacts, "--runner", "ray", "--workers", 2, "--until", "restarts"]
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(perturb, *arguments)
        # One is enough: where workers start slowly, the first may be done before the second has begun.
        wait_for(lambda: (any(artifacts.glob("scratch/restart-*/checkpoint.safetensors")) and _workers()) or done.done())
        os.kill(_workers()[0], signal.SIGKILL)
        result = done.result()
    assert result.returncode == 0, result.stderr
    assert "restarts: 2 of 2" in result.stdout


def _workers() -> list[int]:
    """Processes of Ray that work on something at this moment: they call themselves after the function."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::work_on"):
            found.append(int(folder.name))
    return found
