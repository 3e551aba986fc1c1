"""Commands check that they can write their results before they start work, also as a user without permissions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from perturb.cli.places import from_here

HELPERS = str(Path(__file__).parents[1] / "helpers")
NOBODY = 65534
COMMANDS = {
    "run": (["run", "a.toml", "--artifacts", "PLACE"], True),
    "run --publish": (["run", "a.toml", "--publish", "PLACE"], True),
    "schedule": (["schedule", "a.toml", "--every", "1h", "--artifacts", "PLACE"], True),
    "gc": (["gc", "--artifacts", "PLACE"], True),
    "score --json": (["score", "a.npz", "--json", "PLACE"], False),
    "score --picture": (["score", "a.npz", "--picture", "PLACE"], False),
    "epsilon": (["epsilon", "a.json", "--out", "PLACE"], True),
    "evaluate": (["evaluate", "a:b", "--out", "PLACE"], True),
    "leaderboard": (["leaderboard", ".", "--out", "PLACE"], True),
    "render": (["dataset", "render", "mini", "--out", "PLACE"], False),
    "build": (["dataset", "build", "a.recipe.json", "--out", "PLACE"], False),
    "fetch": (["dataset", "fetch", "dsprites", "--to", "PLACE"], True),
    "download": (["dataset", "download", "all", "--from", ".", "--to", "PLACE"], True),
    "publish": (["dataset", "publish", "a.json", "--out", "PLACE"], True),
    "export": (["dataset", "export", "a.h5", "--out", "PLACE"], False),
    "to-tfds": (["dataset", "to-tfds", "a.h5", "--out", "PLACE"], True),
}
"""Arguments of each command, and whether PLACE is a folder. The inputs do not exist, and no command tries to read them."""
PLACES = {
    "no permission": "others/x",
    "below a file": "file/x",
    "nothing can be created there": "/proc/x",
    "too long a name": "x" * 300,
}
BY_KIND = {True: {"a file": "file"}, False: {"a folder": "folder"}}
AS_ANOTHER = """
import json, os, sys
sys.path.insert(0, sys.argv[2])
import perturb.benchmark.recipe, perturb.external, perturb.report.leaderboard, perturb.report.epsilon
import perturb.distribution.downloads, perturb.distribution.export_dlib, perturb.distribution.export_tfds
import perturb.distribution.publish, perturb.execution.local
from forked import run_and_exit
from perturb.cli import main

folder, user, commands = json.loads(sys.argv[1])
os.chdir(folder)
kept, nowhere = (os.dup(1), os.dup(2)), os.open("/dev/null", os.O_WRONLY)
os.dup2(nowhere, 1), os.dup2(nowhere, 2)
for words in (["dataset", "verify"], ["dataset", "info"], ["score"], ["run"], ["entry", "check"]):
    try:
        main([*words, "absent"])  # imports what another user may be unable to import
    except SystemExit:
        pass
sys.stdout.flush(), sys.stderr.flush()
os.dup2(kept[0], 1), os.dup2(kept[1], 2)
outcomes = []
for arguments in commands:
    reading, writing = os.pipe()
    if os.fork() == 0:
        if user is not None:
            os.setgid(user), os.setuid(user)
        os.dup2(writing, 2), os.dup2(nowhere, 1)
        run_and_exit(arguments)
    os.close(writing)
    with open(reading) as errors:
        text = errors.read()
    outcomes.append((os.waitstatus_to_exitcode(os.wait()[1]), text))
print(json.dumps(outcomes))
"""
"""Run commands as an unprivileged user, each in a fork of a process that has already imported what they need."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that every user may write to. Its subfolder `others` is read-only."""
    folder = tmp_path_factory.mktemp("places")
    for parent in (folder, *folder.parents):
        if parent.owner() == folder.owner() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    folder.chmod(0o777)
    (folder / "others").mkdir()
    (folder / "others").chmod(0o555)
    (folder / "folder").mkdir()
    (folder / "file").write_text("old")
    return folder


def _outcomes(folder: Path, commands: list[list[str]]) -> list[tuple[int, str]]:
    user = NOBODY if os.getuid() == 0 else None
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, json.dumps([str(folder), user, commands]), HELPERS],
        check=True, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_no_command_starts_work_if_its_result_cannot_be_written(folder: Path) -> None:
    tried = [
        (name, kind, [place if word == "PLACE" else word for word in words])
        for name, (words, is_folder) in COMMANDS.items()
        for kind, place in (PLACES | BY_KIND[is_folder]).items()
    ]
    before = sorted(folder.rglob("*"))
    for (name, kind, _), (code, stderr) in zip(tried, _outcomes(folder, [words for _, _, words in tried]), strict=True):
        assert code == 2, (name, kind, stderr)
        assert "cannot be written to (" in stderr, (name, kind, stderr)
        assert stderr.startswith("perturb: --"), (name, kind, stderr)
        assert stderr.count("\n") == 1, (name, kind, stderr)
    assert sorted(folder.rglob("*")) == before


def test_commands_without_an_output_option_report_an_unwritable_current_folder(folder: Path) -> None:
    """The commands run without an output option in a read-only folder."""
    commands = [
        ["run", "a.toml"],
        ["evaluate", "a:b"],
        ["leaderboard", "."],
        ["dataset", "index", "."],
        ["dataset", "publish", "."],
        ["dataset", "cache", "a.h5"],
    ]
    for words, (code, stderr) in zip(commands, _outcomes(folder / "others", commands), strict=True):
        assert code == 2, (words, stderr)
        assert "cannot be written to (Permission denied); name another place." in stderr, (words, stderr)
        assert stderr.count("\n") == 1, (words, stderr)


def test_an_unreadable_input_file_is_reported_in_one_line(folder: Path) -> None:
    path = folder / "secret.h5"
    path.write_bytes(b"secret")
    path.chmod(0)
    commands = [["dataset", "verify"], ["dataset", "info"], ["score"], ["run"], ["entry", "check"]]
    outcomes = _outcomes(folder, [[*command, "secret.h5"] for command in commands])
    path.unlink()
    for command, (code, stderr) in zip(commands, outcomes, strict=True):
        assert code == 2, (command, stderr)
        assert stderr.startswith("perturb: "), (command, stderr)
        assert stderr.count("\n") == 1, (command, stderr)


def test_paths_below_the_current_folder_are_shown_relative_to_it_and_others_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(from_here(tmp_path / "artifacts" / "results.json")) == "artifacts/results.json"
    assert from_here(tmp_path.parent / "elsewhere") == tmp_path.parent / "elsewhere"
