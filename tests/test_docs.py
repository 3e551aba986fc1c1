"""The documents name things that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"]


def test_every_fault_has_the_test_that_the_table_names() -> None:
    named = re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){2,}_?)(…?)`", (ROOT / "docs" / "faults.md").read_text(encoding="utf-8"))
    assert len(named) > 40
    for name, more in named:
        assert f"def test_{name}" + ("" if more else "(") in TESTS, name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_are_those_of_the_program(document: Path) -> None:
    from typer.main import get_command

    from perturb.cli import app

    group = get_command(app)
    for line in re.findall(r"`perturb ([a-z][^`]*)`", document.read_text(encoding="utf-8")):
        words = line.split()
        command = group.commands.get(words[0])
        assert command is not None, line
        if words[0] == "dataset":
            command = command.commands.get(words[1])
            assert command is not None, line
        known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
        assert {word.split("=")[0] for word in words if word.startswith("--")} <= known, line
