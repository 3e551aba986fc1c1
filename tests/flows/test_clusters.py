"""The guide's two ways of starting remote workers, over ssh and as SLURM jobs, with the real programs on this machine."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from real_clusters import SLURM, SSH, asked, program, slurm, ssh_server
from real_servers import free_port, started, wait_for

from perturb.files import read_json
from perturb.runs import read_result

pytestmark = [pytest.mark.flow, pytest.mark.slow]
Perturb = Callable[..., subprocess.CompletedProcess]
GUIDE = Path(__file__).parents[2] / "docs" / "clusters.md"


def _needs(*programs: str) -> None:
    """Skip the test if a program is missing; fail instead if PERTURB_CLUSTERS=required."""
    if missing := [name for name in programs if program(name) is None]:
        reason = f"there is no {', '.join(missing)}: apt-get install openssh-server slurm-wlm, or make test-clusters"
        (pytest.fail if os.environ.get("PERTURB_CLUSTERS") == "required" else pytest.skip)(reason)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with a path short enough for a Unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="perturb-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _the_guides_cluster(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run the guide's SLURM file with two jobs, without GPUs, on a free port; HOST:PORT once both workers are up."""
    (code,) = re.findall(r"```python\n(from dask_jobqueue.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    changes = {"8786": str(free_port()), "jobs=8": "jobs=2", 'job_extra_directives=["--gres=gpu:1"],': ""}
    for old, new in changes.items():
        assert old in code
        code = code.replace(old, new)
    (folder / "cluster.py").write_text(code.replace("input(", "cluster.wait_for_workers(2)\ninput("), encoding="utf-8")
    log = folder / "cluster.log"
    # Keep its standard input open, as a terminal would.
    with subprocess.Popen(["sleep", "600"], stdout=subprocess.PIPE) as open_input:
        with log.open("wb") as output, subprocess.Popen(
            [sys.executable, "cluster.py"], cwd=folder, env=os.environ | environment,
            stdin=open_input.stdout, stdout=output, stderr=output,
        ) as process:  # fmt: skip
            wait_for(lambda: "dask://" in log.read_text(), process)
            yield re.search(r"dask://(\S+)", log.read_text())[1]
            process.terminate()
        open_input.kill()


def test_the_guides_slurm_jobs_do_the_work_and_a_cancelled_job_loses_no_run(
    long_toml: Path, short_path: Path, tmp_path: Path, perturb: Perturb
) -> None:
    _needs(*SLURM)
    pytest.importorskip("dask_jobqueue")
    artifacts = tmp_path / "artifacts"
    with (
        slurm(short_path) as environment,
        _the_guides_cluster(tmp_path, environment) as address,
        ThreadPoolExecutor(1) as pool,
    ):
        options = "--artifacts", artifacts, "--runner", f"dask://{address}", "--until", "restarts"
        done = pool.submit(perturb, "run", long_toml, *options)
        wait_for(lambda: len(list(artifacts.glob("scratch/restart-*/checkpoint.safetensors"))) == 2)
        asked(["scancel", asked(["squeue", "--noheader", "--format=%i"], environment).split()[0]], environment)
        result = done.result()
    assert result.returncode == 0, result.stderr
    assert "restarts: 2 of 2" in result.stdout
    plain = perturb("run", long_toml, "--artifacts", tmp_path / "plain", "--no-prefect", "--until", "restarts")
    assert plain.returncode == 0, plain.stderr
    alone = list((tmp_path / "plain" / "runs").glob("scores-*"))
    assert len(alone) == 2
    for run in alone:
        assert read_result(run, dict) == read_result(artifacts / "runs" / run.name, dict)


def test_workers_over_ssh_give_the_same_rows_as_plain_python(
    tiny_toml: Path, short_path: Path, tmp_path: Path, perturb: Perturb, scheduler: str
) -> None:
    _needs(*SSH)
    dask = f"{Path(sys.executable).parent / 'dask'} worker {scheduler} --nworkers 2 --nthreads 1 --no-dashboard"
    log = tmp_path / "worker.log"
    with ssh_server(short_path) as ssh, started([*ssh, "-tt", f"cd {tmp_path} && {dask}"], log) as workers:
        wait_for(lambda: log.read_text().count("Registered to") == 2, workers)
        over_ssh = perturb("run", tiny_toml, "--artifacts", tmp_path / "ssh", "--runner", f"dask://{scheduler}")
    plain = perturb("run", tiny_toml, "--artifacts", tmp_path / "plain", "--no-prefect")
    results = [read_json(Path(done.stdout.strip().splitlines()[-1]))["rows"] for done in (over_ssh, plain)]
    assert results[0] == results[1]
