"""Limits on the time, memory and output of a run apply to all of its descendant processes."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from faulty_models import Daemon, EachInItsWay

from perturb.config import MetricsConfig
from perturb.external import Training, benchmark, load_benchmark
from perturb.external.fork_server import ForkServer
from perturb.external.plan import Asked, plan_runs
from perturb.external.runner import RunContext, Runner
from perturb.external.sandbox import GIB, memory_of, written, written_or_shared
from perturb.supervisor import holds_all, is_gone
from perturb.variants import VariantPattern

FORKS = """
import os, sys
kept = b"x" * 2**28
for _ in range(2):
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
print("ready", flush=True)
sys.stdin.read()
"""
"""A process that fills 256 MiB, and two forks that share this memory."""


@pytest.fixture
def forks() -> subprocess.Popen:
    """Start these three processes and return the first."""
    with subprocess.Popen([sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.stdin.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_shared_by_forked_processes_is_counted_once(forks: subprocess.Popen) -> None:
    assert memory_of(forks.pid, written) > 3 * 2**28
    assert 2**28 < memory_of(forks.pid, written_or_shared) < 1.3 * 2**28


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_mapped_files_and_untouched_memory_do_not_count(tmp_path) -> None:
    before = memory_of(os.getpid(), written)
    empty = np.empty(2**27)
    np.save(tmp_path / "a.npy", np.zeros(2**22))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert empty.nbytes == GIB
    assert mapped.sum() == 0
    assert memory_of(os.getpid(), written) - before < 2**26


def test_a_run_over_its_time_limit_is_stopped_and_marked_and_its_output_is_kept(tmp_path: Path) -> None:
    images, training = {VariantPattern("noise"): load_benchmark("mini", "noise")}, Training()
    context = RunContext(model=EachInItsWay, images=images, codes={}, fitted=False, training=training)
    asked = Asked("train", "slow", ("noise",), (0,), ("mig",), MetricsConfig(), 0, training)
    (spec,) = plan_runs(asked, images, None, None, {}).values()
    with ForkServer() as server:
        runner = Runner(tmp_path, context, server=server, workers=1, seconds=0.5, gibibytes=None, quiet=True)
        found = runner.finish([spec], retry=False)
    assert found[spec.id].failure == "it took longer than the time limit of 0.5 s"
    assert found[spec.id].scores is None
    assert (tmp_path / "runs" / spec.id / "output.txt").is_file()
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.skipif(not holds_all(), reason="needs Linux")
def test_a_process_that_leaves_its_group_still_counts_and_ends_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES", str(tmp_path))
    result = benchmark(
        Daemon, variants=["original", "modified"], seeds=1, memory_limit=0.9, out=tmp_path / "out", quiet=True
    )
    large, printing = result.entry.runs
    assert large.failure is not None
    assert large.failure.endswith("GiB, and the memory limit is 0.9 GiB")
    assert printing.scores is not None
    assert [is_gone(int((tmp_path / run.variant).read_text())) for run in result.entry.runs] == [True, True]
    (printed,) = (path for path in (tmp_path / "out").glob("runs/*/output.txt") if path.stat().st_size)
    assert "[104,825,700 bytes are left out here]" in printed.read_text()
    assert printed.stat().st_size < 40_000


def test_a_process_that_has_ended_counts_as_using_no_memory() -> None:
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    process.join()
    assert memory_of(process.pid, written) == memory_of(process.pid, written_or_shared) == 0
