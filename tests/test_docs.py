"""The documents name things that exist, and their code works."""

import ast
import importlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_table import PAGE, page

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|[;&|(]|\bdo)\s*(?:\.venv/bin/)?perturb ([^|;&#>]+)")
"""A perturb command within a line of shell code."""


def _blocks(document: Path, *languages: str) -> list[str]:
    """Code blocks of a document in these languages."""
    found = FENCED.findall(document.read_text(encoding="utf-8"))
    return [text for language, text in found if language in languages]


def _shell_lines(document: Path) -> Iterator[str]:
    """Lines of a document's shell blocks, with continuation lines joined."""
    for block in _blocks(document, "sh", "bash", ""):
        yield from block.replace("\\\n", " ").splitlines()


def _require_command(line: str) -> None:
    """Assert that a command, its options and the configs it names exist."""
    from typer.main import get_command

    from perturb.cli import app

    command, words = get_command(app), line.split()
    while commands := getattr(command, "commands", None):
        if words and words[0].startswith("--"):
            break
        assert words, line
        assert words[0] in commands, line
        command = commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts} | {"--help"}
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= known, line
    configs = [word for word in words if re.fullmatch(r"(?:configs|examples)/\S+\.toml", word)]
    assert [name for name in configs if not (ROOT / name).is_file()] == [], line


def test_files_that_contributors_are_told_to_edit_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = [name for name in re.findall(r"`([a-z/_0-9]+\.(?:py|md))`", text) if "/x." not in name]
    assert len(named) > 12
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "perturb" / name).exists(), name


def test_every_config_is_in_the_table_of_experiments() -> None:
    text = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    section = text[text.index("## The experiments in configs/") :].split("\n## ")[0]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == {path.stem for path in (ROOT / "configs").glob("*.toml")}


def test_the_citation_matches_the_version_and_the_paper_named_in_files() -> None:
    import yaml

    from perturb import __version__
    from perturb.benchmark.credits import PAPER, PAPER_URL

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    paper = cited["preferred-citation"]
    assert cited["version"] == __version__
    assert paper["url"] == PAPER_URL
    assert f"{paper['start']}--{paper['end']}" in PAPER


def test_the_table_of_faults_is_up_to_date_with_the_tests() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "regenerate it: python tests/helpers/fault_table.py"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_existing_files(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documented_commands_and_options_exist(document: Path) -> None:
    for line in re.findall(r"`perturb ([a-z-][^`]*)`", document.read_text(encoding="utf-8")):
        _require_command(line)
    for line in _shell_lines(document):
        for found in COMMAND.findall(line):
            _require_command(found)


def test_commands_are_found_anywhere_in_a_line_and_wrong_ones_are_rejected() -> None:
    line = "cd x && perturb score a.npz --fast  # a look; for e in 1; do .venv/bin/perturb run $e >> log; x -n perturb"
    assert COMMAND.findall(line) == ["score a.npz --fast  ", "run $e "]
    _require_command("dataset get mini-modified")
    for wrong in ("dataset bake x", "run configs/none.toml", "score a.npz --quickly", "dataset"):
        with pytest.raises(AssertionError):
            _require_command(wrong)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documented_make_targets_scripts_and_extras_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    text = document.read_text(encoding="utf-8")
    for line in (*_shell_lines(document), *re.findall(r"`([^`\n]+)`", text)):
        assert set(re.findall(r"(?:^|&& )make ([a-z-]+)", line)) <= targets, line
        for name in re.findall(r"\bpython ((?:benchmarks|tests|examples)/\S+\.py)", line):
            assert (ROOT / name).is_file(), line
    for names in re.findall(r"(?:perturb|'\.)\[([a-z,]+)\]", text):
        assert set(names.split(",")) <= set(extras)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_blocks_are_valid_and_import_existing_names(document: Path) -> None:
    for block in _blocks(document, "toml"):
        tomllib.loads(block)
    for block in _blocks(document, "sh"):
        subprocess.run(["bash", "-n", "-c", block], check=True)
    for block in _blocks(document, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "perturb":
                module = importlib.import_module(str(node.module))
                assert [name.name for name in node.names if not hasattr(module, name.name)] == [], block


SHORTER = (
    ('load_benchmark("shapes3d", ', 'load_benchmark("mini", '),
    ('evaluate_model("my_vae:make", "mini")', 'evaluate_model("my_vae:make", "mini", seeds=1, training=Training(steps=2))'),
    ("Shapes3D", "Mini"),
    ("[5, 30, 60]", "[2, 15, 30]"),
    ('h5py.File("modified.h5")', "h5py.File(data.path)"),
)
"""Replacements in the documents' code, so that it runs in seconds: other images, fewer steps, a file that is there."""


@pytest.mark.slow
def test_the_python_code_of_the_documents_runs(tmp_path: Path) -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("your_model", "metrics", "files"))]
    code = ["from perturb.external import Training", "from perturb.datasets import Mini"]
    for document in documents:
        code += _blocks(document, "python")
    text = "\n".join(code)
    for written, run in SHORTER:
        assert written in text, f"{written} is in no document any more"
        text = text.replace(written, run)
    (tmp_path / "documents.py").write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "examples" / "plain_pytorch" / "my_vae.py", tmp_path)
    command = [sys.executable, "documents.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "MyVAE reaches a MIG of" in done.stdout


def test_the_model_of_the_tutorial_is_that_of_the_examples() -> None:
    (shown,) = _blocks(ROOT / "docs" / "tutorial.md", "python")
    example = (ROOT / "examples" / "plain_pytorch" / "my_vae.py").read_text(encoding="utf-8")
    assert shown == example[example.index("import torch") :]


def test_the_ground_truth_in_the_guide_works(tmp_path: Path) -> None:
    from perturb.datasets import load_own

    (shown,) = _blocks(ROOT / "docs" / "your_ground_truth.md", "python")
    (tmp_path / "squares.py").write_text(shown, encoding="utf-8")
    truth = load_own(tmp_path / "squares.py")
    images = truth.images(range(len(truth.grid)))
    assert images.shape == (64, 32, 32, 1)
    assert len({image.tobytes() for image in images}) == 64


def test_the_sentences_that_the_docs_quote_match_the_tutorials_entry() -> None:
    from perturb.entries.rules import read_entry
    from perturb.external.result import Result

    entry = read_entry(ROOT / "docs" / "tutorial" / "entry.json")
    told = Result(entry, [], None, without_axes={})
    assert _quoted("tutorial.md") == [told.sentence]
    assert _quoted("your_model.md") == [told.sentence, told.factors_sentence, told.axes_sentence]


def _quoted(page: str) -> list[str]:
    """The quotations of a page in docs/, each as one line."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [quoted.replace("\n> ", " ") for quoted in re.findall(r"^> (.*(?:\n> .*)*)$", text, re.MULTILINE)]


def _figures(page: str) -> list[tuple[str, str]]:
    """The figures of a page in docs/, each with the commands in the block below it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(r"^!\[[^\]]+\]\(\.\./(\S+)\)\n(?:\n[^`!#]+)?\n```sh\n(.*?)```$", text, re.MULTILINE | re.DOTALL)
    assert len(found) == text.count("![")
    return found


def test_every_figure_of_the_theory_has_the_command_that_made_it() -> None:
    from perturb.instruments import INSTRUMENTS

    figures = _figures("theory.md")
    assert {Path(figure).stem for figure, _ in figures} == set(INSTRUMENTS)
    for figure, command in figures:
        record = json.loads((ROOT / figure).with_suffix(".json").read_text(encoding="utf-8"))
        words = ["perturb", "analyse", record["instrument"], *([record["subject"]] if record["subject"] else [])]
        seed = record["settings"]["seed"]
        assert command.split() == [*words, *(["--seed", str(seed)] if seed else [])]
        assert record["settings"]["seeds"] == 5


def test_every_figure_of_the_gallery_has_the_command_that_made_it() -> None:
    for figure, commands in _figures("gallery.md"):
        index = (ROOT / figure).parent / "index.json"
        if index.exists():
            made = json.loads(index.read_text(encoding="utf-8"))["origin"]["command"]
            assert commands.strip() == made.replace(" --no-prefect", ""), figure
        else:
            assert str(Path(figure).parent) in commands, figure


def test_screenshots_are_small_and_every_page_shown_has_one_per_screen_size() -> None:
    from PIL import Image
    from screenshots import OUT, SIZES, place

    shown = {name for path in DOCUMENTS for name in re.findall(r"screenshots/([a-z]+)-\d+\.png", path.read_text("utf-8"))}
    assert {place(name, size["width"]) for name in shown for size in SIZES} == set(OUT.iterdir())
    for path in OUT.iterdir():
        assert path.stat().st_size < 150_000, path
        with Image.open(path) as image:
            assert image.size in [(size["width"], size["height"]) for size in SIZES]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lists_and_tables_start_after_an_empty_line(document: Path) -> None:
    # GitHub does not need the empty line, but the site's Markdown does.
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    assert re.findall(r"^(?![-*#|>\s]|\d+\. ).+\n(?:[-*] |\d+\. |\|[ -]).*$", text, re.MULTILINE) == []
