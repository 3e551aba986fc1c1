"""Whole evaluations in real processes: failures are reported, other runs continue, and a kill loses no finished run."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import faulty_models
import pytest
from faulty_models import FailsOnce, Linear

from perturb.config import MetricsConfig
from perturb.entries.packaged import known_files
from perturb.entries.rules import read_entry, reasons_against
from perturb.errors import UserError
from perturb.external import Training, benchmark, load_benchmark
from perturb.external.plan import Asked, plan_runs, scores_seed, training_seed
from perturb.external.protocols import encoder_of
from perturb.files import read_json
from perturb.metrics import score_encoder
from perturb.variants import VariantPattern

HELPERS = Path(faulty_models.__file__).parent
COMMAND = [sys.executable, "-c", "from perturb.cli import main; main()", "evaluate"]
PAIR = ("original", "modified")
NAMED = (
    "the model's name must be one line of 1 to 80 printable characters, and its class is called '{}'; give the model "
    "another one with name (--name)."
)
LOCK = threading.Lock()
"""An object that cannot be pickled."""


def _evaluate(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"COLUMNS": "200"} | more
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess, Path]:
    """Return the outcome of an evaluation on three variants, two of which fail in different ways."""
    out = tmp_path_factory.mktemp("mixed") / "out"
    arguments = ["faulty_models:EachInItsWay", "--variants", "original,modified,untrained", "--seeds", "1"]
    arguments += ["--time-limit", "500", "--memory-limit", "1", "--out", str(out), "--metrics", "mig,mcc"]
    return _evaluate(HELPERS, *arguments), out


def test_a_failing_run_is_marked_and_the_others_continue(mixed: tuple) -> None:
    done, out = mixed
    assert done.returncode == 0, done.stderr
    entry = read_entry(out / "entry.json", known_files())
    failures = {run.variant: run.failure for run in entry.runs}
    assert failures["original"] is None
    assert failures["modified"] == "RuntimeError: no [bold]such[/bold] | luck"
    assert failures["untrained"].startswith("it used 1.")
    assert failures["untrained"].endswith("GiB, and the memory limit is 1 GiB")
    used = float(failures["untrained"].split()[2])
    assert used < 1.5


def test_the_traceback_of_a_failed_run_begins_in_the_users_code(mixed: tuple) -> None:
    lines = mixed[0].stderr.splitlines()
    start = lines.index("Traceback (most recent call last):")
    assert lines[start + 1].strip().startswith(f'File "{HELPERS / "faulty_models.py"}"')
    assert lines[start + 1].endswith("in fit")
    assert "RuntimeError: no [bold]such[/bold] | luck" in lines
    assert "perturb/external" not in mixed[0].stderr


def test_the_output_lists_failures_and_ends_with_a_summary_and_the_entrys_path(mixed: tuple) -> None:
    done, out = mixed
    *_, sentence, last = done.stdout.splitlines()
    assert last == str(out / "entry.json")
    assert f" {out / 'axes.png'} shows it." in done.stdout
    assert (out / "axes.png").is_file()
    assert sentence.startswith("EachInItsWay reaches a MIG of 0.")
    assert "on the modified images no run has a score" in sentence
    assert "Failed: modified, seed 0: RuntimeError: no [bold]such[/bold] | luck" in done.stdout
    mig, mcc = done.stdout.split("MCC, mini")
    assert ("│ β-VAE " in mig, "│ β-VAE " in mcc) == (True, False)
    assert "3 of 3 runs done" in done.stderr
    assert "at a time; the remaining time is known once the first has ended" in done.stderr


def test_the_entry_records_what_was_evaluated_and_how(mixed: tuple) -> None:
    entry = read_entry(mixed[1] / "entry.json")
    assert (entry.model, entry.how, entry.settings) == ("EachInItsWay", "fit", {"pool": 16})
    assert entry.method.startswith("Fits the original, raises on modified images")
    assert (entry.dataset.name, entry.dataset.epsilon) == ("mini", 0.25)
    assert [metric.name for metric in entry.metrics] == ["mig", "mcc"]


def test_images_of_failed_runs_are_still_measured_in_the_axes_of_the_originals_code(mixed: tuple) -> None:
    original, modified, untrained = (run.axes for run in read_entry(mixed[1] / "entry.json").runs)
    assert original.images == 2_000
    assert {axes.latents for axes in (original, modified, untrained)} == {original.latents}
    assert modified.saving_whole != original.saving_whole
    assert all(0 < axes.saving < 10 for axes in (original, modified, untrained))


def test_runs_with_codes_say_how_these_hold_each_factor(mixed: tuple) -> None:
    done, out = mixed
    original, modified, untrained = (run.factors for run in read_entry(out / "entry.json").runs)
    assert set(original) == {"floor_hue", "wall_hue", "object_hue", "sky_hue"}
    assert (modified, untrained) == (None, None)
    assert "In the codes of EachInItsWay, " in done.stdout


def test_printed_output_is_kept_and_models_get_the_seed_of_the_built_in_methods(mixed: tuple) -> None:
    printed = [path.read_text() for path in mixed[1].glob("runs/*/output.txt")]
    assert f"fitting modified with {training_seed(0, 0)}\n" in printed
    assert len(printed) == 3
    assert list((mixed[1] / "scratch").iterdir()) == []


def test_scores_in_the_entry_equal_direct_scores_of_the_encoder(mixed: tuple) -> None:
    entry, data = read_entry(mixed[1] / "entry.json"), load_benchmark("mini")
    expected = score_encoder(encoder_of(faulty_models.Fitted()), data.file, ["mig", "mcc"], seed=scores_seed(0))
    assert entry.runs[0].scores == {name: expected[name][name] for name in ("mig", "mcc")}


@pytest.mark.slow
def test_a_killed_evaluation_leaves_no_process_behind_and_can_be_resumed(tmp_path: Path) -> None:
    environment = os.environ | {"NOTES": str(tmp_path)}
    arguments = ["faulty_models:Noted", "--seeds", "1", "--workers", "1", "--out", str(tmp_path / "out")]
    with subprocess.Popen([*COMMAND, *arguments], cwd=HELPERS, env=environment, stderr=subprocess.DEVNULL) as first:
        try:
            _until(lambda: _fits(tmp_path)[-1:] and _fits(tmp_path)[-1][0] == "noise")
            busy = r"^another evaluation is writing to .*out; wait for it, or name another folder\.$"
            with pytest.raises(UserError, match=busy):
                benchmark(faulty_models.Noted, out=tmp_path / "out", quiet=True)
        finally:
            first.send_signal(signal.SIGKILL)
    _until(lambda: _is_gone(_fits(tmp_path)[-1][2]))
    (tmp_path / "go").touch()
    again = _evaluate(HELPERS, *arguments, NOTES=str(tmp_path))
    assert again.returncode == 0, again.stderr
    assert [fit[0] for fit in _fits(tmp_path)] == ["original", "modified", "noise", "noise"]
    assert "2 of 3 runs were there already" in again.stderr
    assert list((tmp_path / "out" / "scratch").iterdir()) == []
    # Each run seeds the global generators, so a model draws the same numbers from them when it is run again.
    assert _fits(tmp_path)[2][3] == _fits(tmp_path)[3][3]


def _fits(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "fits").read_text().splitlines()] if (folder / "fits").exists() else []


def _is_gone(pid: str) -> bool:
    """Return whether a process has ended, including one that has not been waited for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _until(condition: object) -> None:
    end = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_failed_runs_are_kept_until_a_retry_is_requested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES", str(tmp_path))
    run = partial(benchmark, FailsOnce, variants=["original"], seeds=1, out=tmp_path / "out", quiet=True)
    failed = run()
    assert failed.failures == ["original, seed 0: SystemExit: 3"]
    (tmp_path / "fixed").touch()
    checkpoint = tmp_path / "out" / "scratch" / "restart-0" / "checkpoint"
    checkpoint.parent.mkdir()
    checkpoint.touch()
    assert run().failures == failed.failures
    assert run(retry=True).failures == []
    # The folder may also hold an experiment, whose checkpoints must be left alone.
    assert checkpoint.is_file()


def test_a_script_can_benchmark_a_model_that_it_defines_itself(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    text = (HELPERS / "faulty_models.py").read_text().split("class EachInItsWay")[0]
    script.write_text(
        f"{text}\n"
        "from perturb.external import benchmark\n"
        "result = benchmark(Fitted, dataset='mini', way='encoder', variants=['original', 'modified'])\n"
        "print(result.table())\n"
        "print(result.sentence)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.splitlines()[-1].startswith("Fitted reaches a MIG of 0.0")
    assert "| Fitted |" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]


def test_a_module_with_a_loss_is_trained_by_the_built_in_loop(tmp_path: Path) -> None:
    training = Training(steps=20, batch_size=16, learning_rate=1e-2)
    arguments = {"variants": PAIR, "seeds": 1, "training": training, "out": tmp_path, "quiet": True}
    result = benchmark(partial(Linear, scale=2.0), **arguments, name="Twice", method="two of them")
    assert (result.entry.how, result.entry.settings["scale"]) == ("loop", 2.0)
    assert result.entry.settings["training"] == training.model_dump(mode="json")
    assert (result.entry.model, result.entry.method, result.failures) == ("Twice", "two of them", [])
    assert len({run.scores["mig"] for run in result.entry.runs}) == 2
    # A factory with other arguments counts as another model. The loss of this one is infinite.
    other = benchmark(partial(Linear, scale=1e39), **arguments | {"variants": PAIR[:1]})
    assert other.failures == ["original, seed 0: the loss was inf at step 1"]
    assert len(list((tmp_path / "runs").iterdir())) == 3


def test_each_seed_trains_on_a_pattern_of_its_own() -> None:
    training = Training(steps=2, batch_size=4, learning_rate=1e-2)
    result = benchmark(Linear, variants=PAIR, seeds=2, patterns=2, training=training, quiet=True)
    draws = {(run.variant, run.seed): run.draw for run in result.entry.runs}
    assert draws == {("original", k): 0 for k in range(2)} | {("modified", k): k for k in range(2)}
    hashes = {(file.variant, file.draw): file.images_sha256 for file in result.entry.dataset.files}
    assert hashes == {
        key: load_benchmark("mini", *key).sha256 for key in [("original", 0), ("modified", 0), ("modified", 1)]
    }
    assert reasons_against(result.entry, known_files()) == []
    modified = next(row for row in result.rows if row.variant == "modified")
    assert (modified.n, modified.draws, modified.pairs) == (2, 2, 2)


def test_seeds_cycle_through_the_patterns_that_are_available() -> None:
    columns = [VariantPattern("original"), VariantPattern("modified"), VariantPattern("modified", 2)]
    images = {column: SimpleNamespace(sha256=column.name) for column in columns}
    asked = Asked("train", "linear", PAIR, (0, 1, 2), ("mig",), MetricsConfig(), 0, Training())
    runs = [spec.config for spec in plan_runs(asked, images, "0" * 64, None, {}).values()]
    assert [run.draw for run in runs if run.variant == "modified"] == [0, 2, 0]
    assert [run.images_sha256 for run in runs if run.variant == "modified"] == ["modified", "modified-3", "modified"]


@pytest.mark.parametrize(
    ("factory", "way", "sentence"),
    [
        (
            "faulty_models:Flat",
            "encoder",
            "encode must return numbers (8, latents) for 8 images, got float32 of shape (8,).",
        ),
        (
            "faulty_models:raising",
            "train",
            "the model cannot be made, because its code raised KeyError: 'no such checkpoint'.",
        ),
        ("faulty_models:absent", "train", "faulty_models has no absent; name a function or a class in it."),
        ("faulty_models:Nameless", "encoder", NAMED.format("")),
        ("faulty_models:TwoLined", "encoder", NAMED.format("two\\nlines")),
        ("faulty_models:LongNamed", "encoder", NAMED.format("L" * 80)),
    ],
)
def test_a_model_that_cannot_run_is_refused_before_any_training(
    factory: str, way: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.syspath_prepend(HELPERS)
    with pytest.raises(UserError) as caught:
        benchmark(factory, way=way, out=tmp_path, quiet=True)
    assert str(caught.value) == sentence
    assert not (tmp_path / "runs").exists()
    assert ("in raising" in capsys.readouterr().err) == ("raising" in factory)


def test_an_undefined_metric_is_explained_and_the_other_metrics_are_scored(tmp_path: Path) -> None:
    arguments = ["faulty_models:OneLatent", "--encoder", "--variants", "original,modified", "--metrics", "mig,mcc"]
    done = _evaluate(HELPERS, *arguments, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    reason = "MIG compares latents and needs at least 2, got 1"
    for run in read_entry(tmp_path / "entry.json", known_files()).runs:
        assert (list(run.scores), run.refused) == (["mcc"], {"mig": reason})
    assert f"Without a value: MIG, 2 of 2 runs: {reason}" in done.stdout
    note = (
        "Not measured in the model's axes: 1 of 1 models: turning compares axes and needs at least 2 latents in use, got 1"
    )
    assert note in done.stdout
    assert not (tmp_path / "axes.png").exists()
    sentence = "OneLatent has no score on the original, because all of its runs there have no value of MIG."
    assert sentence in done.stdout
    table = benchmark(faulty_models.OneLatent, way="encoder", variants=PAIR, metrics=["mig", "mcc"], quiet=True).table()
    assert "| OneLatent | –, 1 without a value | –, 1 without a value |" in table


def test_the_entry_is_written_whatever_a_failing_run_prints_or_raises(tmp_path: Path) -> None:
    result = benchmark(faulty_models.Wordy, variants=PAIR, seeds=1, out=tmp_path, quiet=True)
    died, raised = (run.failure for run in read_entry(tmp_path / "entry.json").runs)
    assert died.startswith("the process ended by itself with exit code 3; its last words: loss  [31mstep step step")
    assert raised.startswith("RuntimeError: no   [31mtextxxx")
    assert result.entry == read_entry(tmp_path / "entry.json")


def test_a_class_with_an_overlong_name_can_be_evaluated_under_a_given_name() -> None:
    result = benchmark(faulty_models.LongNamed, way="encoder", variants=PAIR, name="Short", quiet=True)
    assert (result.entry.model, result.failures) == ("Short", [])


def test_the_command_exits_with_an_error_if_all_runs_fail(tmp_path: Path) -> None:
    arguments = ["--seeds", "1", "--variants", "original,modified", "--out", str(tmp_path)]
    done = _evaluate(HELPERS, "faulty_models:NaNOrDead", *arguments)
    assert done.returncode == 2
    assert (
        done.stderr.splitlines()[-1] == f"perturb: all 2 runs failed; what they printed is in {tmp_path}/runs/*/output.txt."
    )
    assert [run["failure"] for run in read_json(tmp_path / "entry.json")["runs"]] == [
        "codes must be finite; 3,740 of 3,740 rows are not, the first is row 0",
        "the process died of SIGABRT; its last words: last words",
    ]
    assert "NaNOrDead has no score on the original, because all of its runs there failed." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"metrics": ["fid"]}, r"metrics must be among mig, .*; got fid\."),
        ({"variants": ["modified", "original"]}, r"variants must begin with original, .*; got modified, original\."),
        ({"seeds": 0}, r"^seeds must be 1 or more\.$"),
        ({"patterns": 0}, r"^patterns must be 1 or more, got 0\.$"),
        ({"metrics": []}, r"^metrics must name one or more\.$"),
        ({"time_limit": 0}, r"^the time limit must be above 0 seconds, got 0\.$"),
        ({"memory_limit": -1}, r"^the memory limit must be above 0 GiB, got -1\.$"),
        ({"name": "a\nb"}, r"^name must be one line of 1 to 80 printable characters, got 'a\\nb'\.$"),
        ({"seed": 2**63}, r"^the results could not be written as an entry, because of `seed`: input should be less than 9"),
        (
            {"seeds": 9_000},
            r"^the results of Linear would be an entry of 5,\d\d\d,\d\d\d bytes, and the limit is 4,194,304; ",
        ),
        ({"model": 7}, r"^a factory must be a function or a class that returns a model, got int\.$"),
        ({"model": partial(Linear, LOCK)}, r"^the factory cannot be sent to a process of its own"),
    ],
    ids=[
        "metric",
        "order",
        "seeds",
        "patterns",
        "no metric",
        "time",
        "memory",
        "name",
        "large seed",
        "many seeds",
        "number",
        "lock",
    ],
)
def test_invalid_arguments_are_refused_before_any_run(arguments: dict, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        benchmark(**{"model": Linear, "out": tmp_path, "quiet": True} | arguments)
    assert not (tmp_path / "runs").exists()


def test_the_entry_is_plain_json_with_the_expected_keys(mixed: tuple) -> None:
    found = json.loads((mixed[1] / "entry.json").read_text())
    assert set(found) == {
        "confidence", "dataset", "date", "format_version", "how", "method", "metrics", "model", "runs", "seed", "seeds",
        "settings", "versions",
    }  # fmt: skip


def test_a_missing_factory_is_reported_before_any_file_is_built(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^json has no such_model; name a function or a class in it\.$"):
        benchmark("json:such_model", "shapes3d", cache=tmp_path, quiet=True)
    assert not list(tmp_path.iterdir())
