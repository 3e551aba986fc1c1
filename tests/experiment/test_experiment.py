"""The tiny experiment end to end: once, twice, and after kills."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from damage import flip
from safetensors.torch import load_file

from perturb.config import DatasetConfig, ExperimentConfig, PerturbationConfig
from perturb.datasets.renderers.mini import Mini
from perturb.errors import UserError
from perturb.execution.local import check_patterns, run_locally
from perturb.execution.scheduler import StageError
from perturb.execution.settings import RunSettings
from perturb.experiment.plan import plan_experiment
from perturb.experiment.publish import publish_results
from perturb.experiment.stages import STAGES
from perturb.files import read_json, sha256_of, write_json
from perturb.manifests import run_files
from perturb.perturbation.saved_networks import PatternResult, PerturbationRun
from perturb.perturbation.scalar import ScalarEffects
from perturb.perturbation.stored import PatternStatistics
from perturb.runs import MANIFEST, Store, read_config
from perturb.training.saved_models import TrainingResult
from perturb.variants import VariantPattern

COMMAND = [sys.executable, "-c", "from perturb.cli import main; main()", "run"]


def _run(config: Path, artifacts: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*COMMAND, str(config), "--artifacts", str(artifacts), "--no-prefect", "--workers", "2", *options],
        capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip


def _files(artifacts: Path) -> dict[str, str]:
    """Hashes of all files of all runs except the manifests, which contain times."""
    return {
        str(path.relative_to(artifacts)): sha256_of(path)
        for path in sorted((artifacts / "runs").rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def test_results_json_has_all_rows_and_the_hash_of_every_file(finished: tuple[Path, Path]) -> None:
    config, artifacts = finished
    last_line = _run(config, artifacts).stdout.strip().splitlines()[-1]
    results = json.loads(Path(last_line).read_text())
    assert results["dataset"] == "mini"
    assert len(results["config_hash"]) == 64
    assert results["provenance"]["trained on"] == f"cpu, torch {version('torch')}"
    assert len(results["rows"]) == 8
    keys = {"method", "variant", "metric", "mean", "std", "n", "failed", "difference", "ci_low", "ci_high"}
    assert all(keys <= set(row) for row in results["rows"])
    names = {entry["name"] for entry in results["files"]}
    assert {"original.h5", "modified.h5", "noise.h5", "untrained.h5", "table.csv", "table.md", "report.html"} <= names
    assert {"images.png", "mig.png"} <= names
    for entry in results["files"]:
        assert sha256_of(Path(entry["path"])) == entry["sha256"]


def test_the_footer_of_the_report_says_how_it_was_made(finished: tuple[Path, Path]) -> None:
    config, artifacts = finished
    results = Path(_run(config, artifacts).stdout.strip().splitlines()[-1])
    found = re.search(r'<p class="made">(.*)</p>', results.with_name("report.html").read_text(encoding="utf-8"))
    assert found is not None
    day, command, made_with, hours, machine, config_hash = found[1].split(" · ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", day)
    assert command == f"perturb run {config} --no-prefect --workers 2"
    assert re.fullmatch(rf"perturb {re.escape(version('perturb'))}( \(commit [0-9a-f]+( with changes)?\))?", made_with)
    every = len(list((artifacts / "runs").iterdir()))
    assert re.fullmatch(rf"[\d.e-]+ core hours in {every} runs on cpu", hours), "trainings must count, too"
    assert re.match(r"\d+ cores?, ", machine)
    assert config_hash == f"config {json.loads(results.read_text())['config_hash']}"


def test_a_second_run_reuses_everything(finished: tuple[Path, Path]) -> None:
    config, artifacts = finished
    before = {path: path.stat().st_mtime_ns for path in (artifacts / "runs").rglob("*")}
    _run(config, artifacts)
    assert {path: path.stat().st_mtime_ns for path in (artifacts / "runs").rglob("*")} == before
    assert list((artifacts / "scratch").iterdir()) == []


@pytest.mark.slow
def test_the_same_config_gives_the_same_bytes(finished: tuple[Path, Path], tmp_path: Path) -> None:
    config, artifacts = finished
    _run(config, tmp_path / "again")
    expected, found = _files(artifacts), _files(tmp_path / "again")
    kinds = Counter(name.split("/")[1].split("-")[0] for name in found)
    assert kinds.pop("report") >= 16
    assert kinds == {"images": 1, "restart": 36, "perturbation": 2, "untrained": 1, "file": 10}, (
        "unpacked images must be removed"
    )
    assert found == expected


def test_every_pixel_of_every_file_is_within_epsilon_of_the_original(finished: tuple[Path, Path]) -> None:
    originals = Mini().images(np.arange(4096)).astype(int)
    paths = {path.name: path for path in (finished[1] / "runs").rglob("*.h5")}
    assert set(paths) == {"original.h5", "modified.h5", "noise.h5", "untrained.h5"}
    for name, path in paths.items():
        with h5py.File(path) as file:
            change = np.abs(file["images"][:].astype(int) - originals).max()
            assert change <= 255 * file.attrs["epsilon"]
        assert (change > 0) == (name != "original.h5")


def test_the_files_of_a_run_are_published_by_one_command(finished: tuple[Path, Path], tmp_path: Path) -> None:
    (results,) = (finished[1] / "results").glob("*/results.json")
    out = tmp_path / "out"
    command = [*COMMAND[:-1], "dataset", "publish", str(results), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [str(out / name) for name in ("README.md", "croissant.json", "index.json")]
    listed = {entry["name"]: entry["sha256"] for entry in read_json(results)["files"]}
    index = read_json(out / "index.json")
    assert {entry["file"]: entry["sha256"] for entry in index["entries"]} == {
        f"{variant}.h5": listed[f"{variant}.h5"] for variant in ("original", "modified", "noise", "untrained")
    }
    card = (out / "README.md").read_text(encoding="utf-8")
    for path in out.glob("*.h5"):
        with h5py.File(path) as file:
            assert f"| {path.name} | renderer=mini, source=renderer, version=1 | reflect | {file.attrs['run']} |" in card


@pytest.mark.slow
def test_an_experiment_killed_three_times_resumes_and_ends_with_the_same_bytes(
    finished: tuple[Path, Path], tmp_path: Path
) -> None:
    """Kill it with SIGKILL at 2, 9 and 20 runs. Every run that looks complete is, and the final bytes are the same."""
    config, artifacts = finished
    target = tmp_path / "killed"
    command = [*COMMAND, str(config), "--artifacts", str(target), "--no-prefect", "--workers", "2"]
    for enough in (2, 9, 20):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            _wait_for(lambda enough=enough: len(list(target.glob("runs/*"))) >= enough, process)
            os.kill(process.pid, signal.SIGKILL)
        assert _no_workers_left(target)
        for run in (target / "runs").iterdir():
            files = read_json(run / MANIFEST)["files"]
            assert all(sha256_of(run / name) == entry["sha256"] for name, entry in files.items())
        assert not (target / "results").exists()
    _run(config, target)
    assert _files(target) == _files(artifacts)


def _wait_for(condition: "callable", process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _no_workers_left(target: Path) -> bool:
    """Return whether the folder stops changing, as it does once all workers have died with their parent."""
    for _ in range(50):
        before = sorted(str(path) for path in target.rglob("*"))
        time.sleep(0.1)
        if before == sorted(str(path) for path in target.rglob("*")):
            return True
    return False


def test_running_one_stage_builds_only_what_it_needs(tiny: ExperimentConfig, tmp_path: Path) -> None:
    settings = RunSettings(artifacts=tmp_path, workers=1)
    plan = run_locally(tiny, settings, until="selection")
    store = Store(tmp_path, STAGES)
    kinds = {path.name.split("-")[0] for path in (tmp_path / "runs").iterdir()}
    assert kinds == {"images", "restart", "scores", "selection"}
    assert store.is_complete(plan.networks.selection)


def test_an_unknown_stage_is_refused_with_the_list_of_stages(tiny: ExperimentConfig, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"stage must be among ground-truth, restarts, .*; got nonsense"):
        run_locally(tiny, RunSettings(artifacts=tmp_path), until="nonsense")
    assert not (tmp_path / "runs").exists()


def test_a_collapsed_pattern_stops_the_run_with_advice(tiny: ExperimentConfig, begun: Path) -> None:
    strict = tiny.model_copy(
        update={"collapse": tiny.collapse.model_copy(update={"action": "fail", "min_variation": 0.999})}
    )
    with pytest.raises(
        UserError, match=r"has collapsed: .* varies over the data, and collapse.min_variation asks for 99.9%"
    ):
        run_locally(strict, RunSettings(artifacts=begun, workers=1))
    assert not list(begun.glob("results/*"))


class OnePattern:
    """A store in which every pattern is trained and has the same result."""

    def __init__(self, *total: float) -> None:
        pattern = PatternStatistics(variance=0.45, mean_square=0.5, local=0.5, share=0.3, drawn_variation=0.9)
        self.found = PatternResult(pattern=pattern, scalar=ScalarEffects(main=total, total=total, linear=1.0))

    def is_complete(self, spec: object) -> bool:
        return True

    def result(self, spec: object, kind: type[PatternResult]) -> PatternResult:
        return self.found


def test_a_pattern_that_follows_one_factor_stops_the_run(tiny: ExperimentConfig) -> None:
    strict = plan_experiment(tiny.model_copy(update={"collapse": tiny.collapse.model_copy(update={"action": "fail"})}))
    with pytest.raises(UserError, match=r"scalar of modified follows 1\.45 factors in effect, and .*min_factors asks for 2"):
        check_patterns(strict, OnePattern(0.878, 0.122))
    check_patterns(strict, OnePattern(1.0, 1.0, 0.02))
    check_patterns(plan_experiment(tiny), OnePattern(0.878, 0.122))


def test_the_untrained_control_records_and_matches_the_wanted_variance(finished: tuple[Path, Path]) -> None:
    (control,) = (finished[1] / "runs").glob("untrained-*")
    found = read_json(control / MANIFEST)["result"]
    assert found["pattern"]["variance"] == pytest.approx(found["wanted"]["variance"], rel=0.05)
    assert len(found["scalar"]["main"]) == 4


def test_too_few_restarts_that_are_not_over_pruned_is_a_clear_error(tiny: ExperimentConfig, begun: Path) -> None:
    strict = tiny.model_copy(update={"selection": tiny.selection.model_copy(update={"max_unit_variance": 0.01})})
    with pytest.raises(UserError, match="selection needs 2 eligible restarts"):
        run_locally(strict, RunSettings(artifacts=begun, workers=1))


@pytest.mark.slow
def test_diverged_trainings_are_recorded_and_the_rest_continues(tiny: ExperimentConfig, begun: Path) -> None:
    wild = tiny.training.model_copy(update={"learning_rate": 1e30})
    methods = (tiny.evaluation.methods[0].model_copy(update={"training": wild}), tiny.evaluation.methods[1])
    config = tiny.model_copy(update={"evaluation": tiny.evaluation.model_copy(update={"methods": methods})})
    plan = run_locally(config, RunSettings(artifacts=begun, workers=2))
    results = read_json(publish_results(plan, Store(begun, STAGES)))
    rows = {(row["method"], row["variant"]): row for row in results["rows"]}
    assert rows["β-VAE", "modified"]["failed"] == 2
    assert rows["β-VAE", "modified"]["mean"] is None
    assert rows["AE", "modified"]["failed"] == 0
    assert any(
        re.search(r"Failed: .*β-VAE on modified, seeds? (0 and )?1.*: the (reconstruction|kl) was", note)
        for note in results["notes"]
    )


@pytest.mark.slow
def test_stacked_restarts_have_the_same_ids_and_the_same_models(tiny: ExperimentConfig, tmp_path: Path) -> None:
    settings = {
        "processes": RunSettings(artifacts=tmp_path / "processes", workers=2),
        "stacked": RunSettings(artifacts=tmp_path / "stacked", workers=1, stack=32),
    }
    stores = {name: Store(setting.artifacts, STAGES) for name, setting in settings.items()}
    plans = {name: run_locally(tiny, setting, until="restarts") for name, setting in settings.items()}
    for spec, same in zip(plans["processes"].networks.restarts, plans["stacked"].networks.restarts, strict=True):
        assert spec.id == same.id
        assert stores["stacked"].is_complete(same.inputs["restart"])
        lasts = [store.result(spec.inputs["restart"], TrainingResult).last["loss"] for store in stores.values()]
        assert lasts[0] == pytest.approx(lasts[1], rel=1e-3)
        weights = [load_file(store.path(spec.inputs["restart"]) / "weights.safetensors") for store in stores.values()]
        for name, value in weights[0].items():
            assert value.shape == weights[1][name].shape
            assert ((value - weights[1][name]).abs() > 1e-3).float().mean() < 0.02, name


def test_stacked_restarts_are_trained_in_one_call(tiny: ExperimentConfig, tmp_path: Path) -> None:
    plan, calls = plan_experiment(tiny), []
    watched = dict(STAGES)
    together = STAGES["restart"].build_together
    watched["restart"] = dataclasses.replace(
        STAGES["restart"], build_together=lambda places: (calls.append(len(places)), together(places))[1]
    )
    Store(tmp_path, watched, stack=2).ensure_all(plan.networks.restarts)
    assert calls == [2]


@pytest.mark.parametrize(
    ("restarts", "advice"), [(1, "lower training.batch_size"), (2, "2 restarts at once.*lower --stack")]
)
def test_an_out_of_memory_error_names_the_setting_to_lower(
    tiny: ExperimentConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarts: int, advice: str
) -> None:
    def too_large(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("perturb.experiment.stages.training.train", too_large)
    with pytest.raises(UserError, match=f"cpu ran out of memory.*{advice}"):
        Store(tmp_path, STAGES, stack=2).ensure_all(plan_experiment(tiny).networks.restarts[:restarts])


def test_a_run_that_fails_is_named_and_the_others_are_kept(tiny: ExperimentConfig, tmp_path: Path) -> None:
    plan = plan_experiment(tiny)
    store = Store(tmp_path, STAGES)
    store.ensure(plan.images)
    (store.scratch(plan.networks.restarts[1].inputs["restart"])).parent.mkdir(parents=True, exist_ok=True)
    store.scratch(plan.networks.restarts[1].inputs["restart"]).write_text("a file where a folder must be")
    with pytest.raises(StageError, match=r"1 of 2 runs broke \(restart 1\)"):
        run_locally(tiny, RunSettings(artifacts=tmp_path, workers=1))
    assert store.is_complete(plan.networks.restarts[0])


def test_the_evaluation_uses_other_seeds_than_the_selection(tiny: ExperimentConfig) -> None:
    plan = plan_experiment(tiny)
    selected = {spec.inputs["restart"].config.seed for spec in plan.networks.restarts}
    evaluated = {spec.inputs["restart"].config.seed for spec in plan.evaluations.values()}
    assert not selected & evaluated
    by_number = {(variant, k): s.inputs["restart"].config.seed for (_, variant, k), s in plan.evaluations.items()}
    original, modified = VariantPattern("original"), VariantPattern("modified")
    assert by_number[original, 0] == by_number[modified, 0] != by_number[original, 1]


def test_a_restarts_id_does_not_depend_on_the_number_of_restarts(tiny: ExperimentConfig) -> None:
    more = tiny.model_copy(update={"restarts": tiny.restarts.model_copy(update={"num": 20})})
    assert plan_experiment(more).networks.restarts[1].id == plan_experiment(tiny).networks.restarts[1].id


def test_a_metrics_settings_change_only_the_runs_that_score_with_it(tiny: ExperimentConfig) -> None:
    tiny = tiny.model_copy(update={"evaluation": tiny.evaluation.model_copy(update={"metrics": ("mig", "dci")})})
    dci = tiny.metrics.dci.model_copy(update={"trees": tiny.metrics.dci.trees + 1})
    other = plan_experiment(tiny.model_copy(update={"metrics": tiny.metrics.model_copy(update={"dci": dci})}))
    plan = plan_experiment(tiny)
    assert other.networks.selection.id == plan.networks.selection.id
    assert {spec.id for spec in other.files.values()} == {spec.id for spec in plan.files.values()}
    assert all(other.evaluations[key].id != spec.id for key, spec in plan.evaluations.items())


def test_a_runs_config_with_the_path_of_an_official_file_is_restored_from_its_manifest(tmp_path: Path) -> None:
    dataset = DatasetConfig(name="dsprites", path=Path("/data/dsprites.npz"))
    settings = {"perturbation": PerturbationConfig(epsilon=0.1), "architecture": "conv64", "seed": 3}
    config = PerturbationRun(dataset=dataset, **settings)
    write_json(tmp_path / MANIFEST, {"config": config.model_dump(mode="json")})
    assert read_config(tmp_path, PerturbationRun) == config


@pytest.mark.parametrize(
    ("damaged", "read_again"),
    [
        (["images", "restart", "perturbation"], ["scores", "report", "file"]),
        (["file"], ["scores", "report", "pixels"]),
    ],
)
def test_damaged_runs_are_rebuilt_and_the_tables_do_not_change(
    finished: tuple[Path, Path], tmp_path: Path, damaged: list[str], read_again: list[str]
) -> None:
    config, artifacts = finished
    shutil.copytree(artifacts / "runs", tmp_path / "artifacts" / "runs")
    runs = tmp_path / "artifacts" / "runs"
    chosen = [min(runs.glob(f"{kind}-*")) for kind in damaged]
    for run in chosen:
        flip(max((path for path in run.iterdir() if path.name != MANIFEST), key=lambda path: path.stat().st_size))
    for kind in read_again:
        for reader in runs.glob(f"{kind}-*"):
            shutil.rmtree(reader)
    done = _run(config, tmp_path / "artifacts")
    tables = [next(folder.glob("results/*/table.csv")).read_bytes() for folder in (artifacts, tmp_path / "artifacts")]
    assert tables[0] == tables[1]
    assert not list(runs.glob("pixels-*/*.npy"))
    set_aside = {path.name for path in (tmp_path / "artifacts" / "damaged").glob("*/*")}
    # Removed images cannot be unpacked again from their file while that is missing.
    assert {name for name in set_aside if not name.startswith("pixels")} == {run.name for run in chosen}
    for run in chosen:
        assert f"{run}/" in done.stderr
        assert run_files(run)
