"""The documents name things that are there."""

import re
from pathlib import Path

import pytest
from fault_table import PAGE, page

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")),
    *(ROOT / "docs").glob("*.md"),
]


def test_files_that_contributors_are_told_to_touch_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = [name for name in re.findall(r"`([a-z/_0-9]+\.(?:py|md))`", text) if "/x." not in name]
    assert len(named) > 12
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "perturb" / name).exists(), name


def test_the_citation_is_of_this_version_and_of_the_paper_that_files_name() -> None:
    import yaml

    from perturb import __version__
    from perturb.benchmark.credits import PAPER, PAPER_URL

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    paper = cited["preferred-citation"]
    assert cited["version"] == __version__
    assert paper["url"] == PAPER_URL
    assert f"{paper['start']}--{paper['end']}" in PAPER


def test_the_table_of_faults_is_that_of_the_tests() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it again: python tests/helpers/fault_table.py"


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
