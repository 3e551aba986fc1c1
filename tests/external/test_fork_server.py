"""Runs are forked from one process; what becomes of them when it dies, or cannot be started."""

from pathlib import Path

import pytest
from faulty_models import EndsTheServer

from perturb.errors import UserError
from perturb.external import benchmark
from perturb.external import fork_server as module
from perturb.supervisor import holds_all


@pytest.mark.skipif(not holds_all(), reason="needs Linux")
def test_runs_share_a_server_and_go_on_with_another_when_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES", str(tmp_path))
    result = benchmark(EndsTheServer, variants=["original", "modified"], seeds=2, workers=1, quiet=True)
    first, *others = result.entry.runs
    assert first.failure is not None
    assert first.failure.startswith("the process was killed by the system")
    assert all(run.scores is not None for run in others)
    servers = (tmp_path / "servers").read_text().split()
    assert len(servers) == 4
    assert len(set(servers)) == 2
    assert servers[1:] == [servers[1]] * 3


def test_a_server_that_cannot_start_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND", [*module.COMMAND[:-1], "import torch.no_such_part"])
    with pytest.raises(UserError, match=r"^no process can be started for runs: ModuleNotFoundError: .*no_such_part'\.$"):
        benchmark(EndsTheServer, variants=["original"], seeds=1, quiet=True)
