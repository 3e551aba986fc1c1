import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from perturb import __version__
from perturb.cli import _command, _show, app, main
from perturb.config import load_experiment
from perturb.experiment.plan import plan_experiment

HELPERS = Path(__file__).parent / "helpers"
SCRIPT = Path(sys.executable).with_name("perturb")

EXPERIMENT = """
name = "bad"
seed = 1
dataset = { name = "mini" }
training = { architecture = "conv32", steps = 1 }
restarts = { num = 2 }
perturbation = { epsilon = 0.175, steps = 1 }

[evaluation]
seeds = 2
methods = [{ name = "AE", objective = { kind = "autoencoder" } }]
"""
"""A valid experiment, which each case of BAD breaks."""

FORKED = """
import json, os, sys
sys.path.insert(0, sys.argv[2])
import perturb.benchmark.verify, perturb.execution.local, perturb.experiment.publish
from forked import run_and_exit

def run(folder, arguments):
    os.chdir(folder)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(f"../{os.path.basename(folder)}.{name}", os.O_WRONLY | os.O_CREAT), number)
    sys.argv = ["perturb", *arguments]
    run_and_exit(arguments)

codes = {}
for folder, arguments in json.loads(sys.argv[1]).items():
    child = os.fork()
    if child == 0:
        run(folder, arguments)
    codes[folder] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(codes))
"""
"""Runs each command in a fork of a process that has already imported torch: seconds instead of a minute."""

BAD = {
    "unknown key": (("seed = 1", "sead = 1"), ["run", "a.toml"], "unknown key `sead` (value 1)"),
    "epsilon": (("epsilon = 0.175", "epsilon = 1.5"), ["run", "a.toml"], "`perturbation.epsilon`"),
    "missing config": (None, ["run", "absent.toml"], "absent.toml: no such file"),
    "budget": (None, ["run", "a.toml", "--budget", "1.5"], "--budget must be above 0 and at most 1, got 1.5"),
    "stage": (None, ["run", "a.toml", "--until", "holiday"], "stage must be among ground-truth, restarts, selection"),
    "path of mini": (('name = "mini"', 'name = "mini", path = "b.npz"'), ["run", "a.toml"], "mini is always rendered"),
    "image size": (('"conv32"', '"conv64"'), ["run", "a.toml"], "conv64 is for 64 × 64 images"),
    "methods": (None, ["run", "a.toml", "--methods", "AE,GAM"], "--methods must be among AE; got GAM"),
    "strategy": (None, ["run", "a.toml", "--strategy", "magic"], "--strategy must be among processes, stacked, sequential"),
    "stack of one": (
        None,
        ["run", "a.toml", "--strategy", "sequential", "--stack", "3"],
        "--stack 3 cannot go with --strategy sequential",
    ),
    "workers of a stack": (
        None,
        ["run", "a.toml", "--strategy", "stacked", "--workers", "3"],
        "--workers 3 needs --strategy processes",
    ),
    "odd batch of pairs": (
        ('kind = "autoencoder"', 'kind = "slow_vae" }, training = { architecture = "conv32", batch_size = 9'),
        ["run", "a.toml"],
        "AE: training.batch_size must be even",
    ),
    "code of the GAN": (
        ('kind = "autoencoder"', 'kind = "weakly_supervised_gan" }, training = { architecture = "conv32", latents = 7'),
        ["run", "a.toml"],
        "AE: training.latents must be 4, the number of factors of mini",
    ),
    "runner without prefect": (None, ["run", "a.toml", "--runner", "thread:1"], "leave out --no-prefect or --runner"),
    "codes": (None, ["score", "absent.npz"], "absent.npz: no such file; save codes with numpy.savez"),
    "metric": (None, ["score", "absent.npz", "--metrics", "fid"], "metrics must be among mig, dci"),
    "no results at ε": (None, ["epsilon", "absent.json", "--out", "b"], "absent.json: no such file"),
    "not HDF5": (None, ["dataset", "verify", "a.toml"], "a.toml: cannot be read as HDF5"),
    "nothing to publish": (None, ["dataset", "publish", "."], ".: must hold benchmark files (*.h5), and there is none"),
    "publish where": (None, ["dataset", "publish", "a.toml"], "--out names the folder for the files of a results.json"),
    "no results": (
        None,
        ["dataset", "publish", "a.toml", "--out", "b"],
        "a.toml: cannot be read (Expecting value: line 2 column 1 (char 1)); name a results.json of `perturb run`",
    ),
    "export of text": (None, ["dataset", "export", "a.toml", "--out", "a.npz"], "a.toml: cannot be read as HDF5"),
    "export to text": (None, ["dataset", "export", "a.toml", "--out", "a.txt"], "--out must end in .npz, got a.txt"),
    "tfds of text": (None, ["dataset", "to-tfds", "a.toml", "--out", "b"], "a.toml: cannot be read as HDF5"),
}
"""A change to the experiment, the command, and part of the expected sentence."""


@dataclass(frozen=True)
class Outcome:
    """Result of a command."""

    code: int
    out: str
    err: str
    new_files: set[str]


@pytest.fixture(scope="module")
def bad_outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Outcomes of all commands of BAD, each run in its own folder that contains a.toml."""
    root = tmp_path_factory.mktemp("cli")
    commands = {}
    for name, (change, arguments, _) in BAD.items():
        folder = root / name
        folder.mkdir()
        text = EXPERIMENT if change is None else EXPERIMENT.replace(*change)
        assert change is None or text != EXPERIMENT
        (folder / "a.toml").write_text(text, encoding="utf-8")
        commands[str(folder)] = [*arguments, *(["--no-prefect"] if arguments[0] == "run" else [])]
    done = subprocess.run(
        [sys.executable, "-c", FORKED, json.dumps(commands), str(HELPERS)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    codes = json.loads(done.stdout)
    return {
        name: Outcome(
            code=codes[str(root / name)],
            out=(root / f"{name}.stdout").read_text(encoding="utf-8"),
            err=(root / f"{name}.stderr").read_text(encoding="utf-8"),
            new_files={path.name for path in (root / name).rglob("*")} - {"a.toml"},
        )
        for name in BAD
    }


@pytest.mark.parametrize("options", [["--prefect"], ["--runner", "thread:1"]])
def test_quiet_is_refused_where_it_would_silence_nothing(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(
            [
                "run",
                str(HELPERS.parents[1] / "configs" / "quickstart.toml"),
                "--artifacts",
                str(tmp_path),
                "--quiet",
                *options,
            ]
        )
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "perturb: --quiet is for runs in plain Python; leave it out with --prefect and --runner.\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_reported_in_one_line_with_exit_code_2_and_nothing_is_written(
    bad_outcomes: dict[str, Outcome], name: str
) -> None:
    found = bad_outcomes[name]
    assert found.code == 2, found.err
    assert found.err.startswith("perturb: ")
    assert BAD[name][2] in found.err
    assert "Traceback" not in found.err
    assert len(found.err.splitlines()) == 1
    assert found.out == ""
    assert found.new_files == set()


def _perturb(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *arguments], cwd=folder, capture_output=True, text=True, timeout=60)


def test_the_version_is_printed(tmp_path: Path) -> None:
    for asked in ("version", "--version"):
        done = _perturb(tmp_path, asked)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


def test_dash_h_shows_the_help_and_the_help_names_every_stage() -> None:
    plan = plan_experiment(load_experiment(HELPERS.parents[1] / "configs" / "shapes3d.toml"))
    told = CliRunner().invoke(app, ["run", "-h"], env={"COLUMNS": "400"})
    assert told.exit_code == 0
    assert f"Stop after this stage: {', '.join(stage.name for stage in plan.stages)}." in told.stdout
    assert plan.stage("benchmark-files") == plan.stage("benchmark files")
    assert CliRunner().invoke(app, ["dataset", "get", "-h"]).exit_code == 0


def test_an_argument_of_the_wrong_type_is_a_usage_error(tmp_path: Path) -> None:
    done = _perturb(tmp_path, "run", "a.toml", "--budget", "half")
    assert done.returncode == 2
    assert "--budget" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [["--artifacts", "/here"], ["--artifacts=/here"], ["-q"], ["--quiet"], []])
def test_a_published_command_omits_the_artifacts_folder_and_the_quiet_option(place: list[str]) -> None:
    words = ["run", "a config.toml", *place, "--publish", "folder"]
    assert _command(words) == "perturb run 'a config.toml' --publish folder"


def test_gc_removes_stale_scratch_folders_and_reports_how_many(tmp_path: Path) -> None:
    scratch, run = tmp_path / "artifacts" / "scratch", tmp_path / "artifacts" / "runs" / "images-0"
    stale, fresh = scratch / "restart-0", scratch / "restart-1"
    for folder in (stale, fresh, run):
        folder.mkdir(parents=True)
        (folder / "checkpoint.pt").write_text("weights")
    for path in (stale / "checkpoint.pt", stale, run / "checkpoint.pt", run):
        os.utime(path, (time.time() - 3 * 3600,) * 2)
    done = _perturb(tmp_path, "gc", "--hours", "2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "removed 1 folders\n", "")
    assert not stale.exists()
    assert (fresh / "checkpoint.pt").is_file()
    assert (run / "checkpoint.pt").is_file()


@pytest.mark.parametrize(
    "arguments", [("run", "good.toml", "--prefect"), ("schedule", "good.toml", "--every", "1h"), ("doctor",)]
)
def test_without_prefect_the_user_is_told_what_to_install(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text(EXPERIMENT)
    without = "import sys; sys.modules['prefect'] = None; from perturb.cli import main; main()"
    command = [sys.executable, "-c", without, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    asked = (
        "prefect is not installed: `pip install '.[flows]'` in a clone of perturb adds it; `perturb run` without --prefect "
        "and --runner does not need it."
    )
    if arguments == ("doctor",):
        assert done.returncode == 0, done.stderr
        assert any(line.split() == ["warning", "flows", *asked.split()] for line in done.stdout.splitlines())
    else:
        assert (done.returncode, done.stderr) == (2, f"perturb: {asked}\n")


def _forked_environment(folder: Path, arguments: list[str], **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from perturb.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=120, env=os.environ | environment, check=False)


def test_characters_that_the_output_encoding_lacks_are_escaped(tmp_path: Path) -> None:
    done = _forked_environment(tmp_path, ["metrics"], PYTHONIOENCODING="cp1252")
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"0 to \u221e \u2193" in done.stdout
    done = _forked_environment(tmp_path, ["run", "ψ.toml"], PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert rb"perturb: \u03c8.toml: no such file" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "no backend at all"])
def test_the_matplotlib_backend_of_a_notebook_is_not_used(tmp_path: Path, backend: str) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", codes=rng.random((600, 2)), factors=rng.integers(3, size=(600, 2)))
    arguments = ["score", "a.npz", "--metrics", "mig", "--picture", "m.png"]
    done = _forked_environment(tmp_path, arguments, MPLBACKEND=backend)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


def test_a_system_error_is_one_line_with_escape_codes_spelled_out(tmp_path: Path) -> None:
    done = _forked_environment(tmp_path, ["dataset", "verify", "\x1b[2J" + "x" * 300 + "\n"])
    assert done.returncode == 2
    assert done.stderr.startswith(rb"perturb: \x1b[2Jxxx")
    assert b"File name too long" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_the_summary_of_a_run_fits_eighty_columns_with_paths_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "artifacts" / "results" / "quickstart-90f25411"
    folder.mkdir(parents=True)
    (folder / "report.html").touch()
    answers = [
        "β-VAE's MIG is 0.81 on the original; it changes by −0.65 on the modified images (95 % interval [−0.84, −0.45])."
    ]
    (folder / "results.json").write_text(json.dumps({"rows": [], "answers": answers}), encoding="utf-8")
    _show(folder / "results.json", "quickstart")
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(line.strip() for line in lines[:2]) == answers[0]
    assert lines[-2:] == [
        "Report   artifacts/results/quickstart-90f25411/report.html", "artifacts/results/quickstart-90f25411/results.json",
    ]  # fmt: skip
    assert max(map(len, lines)) <= 80


def test_commands_that_need_no_tensors_do_not_import_torch(tmp_path: Path) -> None:
    asked = [
        "dataset list",
        "dataset info mini",
        "metrics",
        "score a.npz",
        "run no.toml",
        "entry check a.json",
        "leaderboard no",
    ]
    code = (
        "import sys\n"
        "from perturb.cli import main\n"
        "for words in sys.argv[1:]:\n"
        "    try:\n"
        "        main(words.split())\n"
        "    except SystemExit:\n"
        "        pass\n"
        "    assert 'torch' not in sys.modules, words\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *asked], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
