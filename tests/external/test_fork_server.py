"""Runs are forked from one server process, which may be killed or fail to start."""

from pathlib import Path

import pytest
from faulty_models import EndsTheServer

from perturb.errors import UserError
from perturb.external import Training, benchmark
from perturb.external import fork_server as module
from perturb.external.fork_server import ForkServer
from perturb.external.sandbox import Child
from perturb.external.worker import Job
from perturb.supervisor import holds_all


@pytest.mark.skipif(not holds_all(), reason="needs Linux")
def test_runs_share_one_server_and_continue_on_a_new_one_if_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES", str(tmp_path))
    result = benchmark(EndsTheServer, variants=["original", "modified"], seeds=2, workers=1, quiet=True)
    first, *others = result.entry.runs
    assert first.failure is not None
    assert first.failure.startswith("the process was killed by the system")
    assert all(run.scores is not None for run in others)
    killed, *servers = (tmp_path / "servers").read_text().split()
    assert len(servers) == 3
    assert len(set(servers)) == 1
    assert killed not in servers


def test_starting_the_server_does_not_count_towards_the_time_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMAND", [*module.COMMAND[:-1], "import time; time.sleep(5); " + module.COMMAND[-1]])
    job = Job(
        path=[], workdir=tmp_path, threads=1, factory="no.such:factory", data=None, training=Training(), fitted=False,
        run=None, store=tmp_path, codes=None,
    )  # fmt: skip
    with ForkServer() as server:
        child = Child(server, job, seconds=None, gibibytes=None)
        assert child.seconds < 5
        child.kill()


def test_a_server_that_cannot_start_is_reported_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND", [*module.COMMAND[:-1], "import torch.no_such_part"])
    with pytest.raises(UserError, match=r"^no process can be started for runs: ModuleNotFoundError: .*no_such_part'\.$"):
        benchmark(EndsTheServer, variants=["original"], seeds=1, quiet=True)
