"""The checks of a machine name what does not work, and what to do about it."""

import sys
from pathlib import Path

import pytest

from perturb.execution import checkup


@pytest.mark.parametrize("error", ["ImportError('libcudart.so.13')", "RuntimeError('operator nms does not exist')"])
def test_a_torchvision_that_was_built_for_another_torch_is_told(
    error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchvision.py").write_text(f"raise {error}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    (check,) = checkup._torchvision()
    assert (check.verdict, check.name) == ("warning", "torchvision")
    assert "built for another torch; install both from the same index" in check.note


def test_a_torchvision_that_works_or_is_not_there_is_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torchvision.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    assert list(checkup._torchvision()) == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert list(checkup._torchvision()) == []
