"""Records of the place where a run was made."""

import subprocess
from pathlib import Path

import pytest

from perturb.machine import commit_of


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with a package in it."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "code.py").write_text("a = 1\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def _head(clone: Path) -> str:
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=clone, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_package_in_a_clone_has_the_clones_commit(clone: Path) -> None:
    assert commit_of(clone / "package") == _head(clone)


def test_changes_to_the_package_are_told_and_others_are_not(clone: Path) -> None:
    (clone / "notes.txt").write_text("mine\n")
    (clone / "package" / "code.py").write_text("a = 2\n")
    assert commit_of(clone / "package") == f"{_head(clone)} with changes"


def test_a_package_installed_below_somebodys_repository_has_no_commit(clone: Path) -> None:
    installed = clone / "venv" / "site-packages" / "package"
    installed.mkdir(parents=True)
    assert commit_of(installed) == ""


def test_without_a_repository_or_without_git_there_is_no_commit(
    clone: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commit_of(tmp_path_factory.mktemp("none") / "package") == ""
    monkeypatch.setenv("PATH", str(clone))
    assert commit_of(clone / "package") == ""
