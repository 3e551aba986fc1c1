"""The checks of a machine report what does not work and how to fix it."""

import sys
from pathlib import Path

import pytest

from perturb.execution import checkup


@pytest.mark.parametrize("error", ["ImportError('libcudart.so.13')", "RuntimeError('operator nms does not exist')"])
def test_a_torchvision_built_for_another_torch_is_reported(
    error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchvision.py").write_text(f"raise {error}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    (check,) = checkup._torchvision()
    assert (check.verdict, check.name) == ("warning", "torchvision")
    assert "built for another torch; install both from the same index" in check.note


def test_a_working_or_missing_torchvision_is_not_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torchvision.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    assert list(checkup._torchvision()) == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert list(checkup._torchvision()) == []
