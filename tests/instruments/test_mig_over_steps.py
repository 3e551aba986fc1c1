"""The instrument that scores models in the course of their training."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from perturb.cli import main
from perturb.config import ExperimentConfig, load_experiment
from perturb.datasets import open_ground_truth
from perturb.experiment.specs import Namer
from perturb.experiment.stages import over_steps
from perturb.experiment.stages.over_steps import OverStepsResult
from perturb.instruments import mig_over_steps
from perturb.instruments.mig_over_steps import Course, points
from perturb.runs import Store
from perturb.statistics.saved_scores import ScoresResult


def _analyse(config: Path, folder: Path, *words: str) -> dict:
    command = ["analyse", "mig-over-steps", str(config), "--artifacts", str(folder / "artifacts"), "--seeds", "2", *words]
    with pytest.raises(SystemExit) as end:
        main([*command, "--out", str(folder / "out")])
    assert end.value.code == 0
    return json.loads((folder / "out" / "mig-over-steps.json").read_text(encoding="utf-8"))


def test_an_experiment_is_trained_with_the_changed_settings_and_its_runs_are_reused(tiny_toml: Path, tmp_path: Path) -> None:
    found = _analyse(tiny_toml, tmp_path, "--set", "training.steps=20")
    again = _analyse(tiny_toml, tmp_path, "--set", "training.steps=20")
    assert again["numbers"] == found["numbers"]
    assert found["settings"]["set"] == ["training.steps=20"]
    assert found["numbers"]["steps"] == [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert np.shape(found["numbers"]["gaps"]) == (2, 11, 4)
    assert np.shape(found["numbers"]["unit_variances"]) == (2, 11, 4)
    assert np.allclose(np.mean(found["numbers"]["gaps"], axis=2), found["numbers"]["mig"])
    page = (tmp_path / "out" / "mig-over-steps.html").read_text(encoding="utf-8")
    assert "--set training.steps=20" in page
    assert len(list((tmp_path / "artifacts" / "runs").glob("over_steps-*"))) == 2


def test_the_last_point_is_the_score_of_the_finished_training(tiny: ExperimentConfig, store: Store) -> None:
    namer = Namer(tiny, open_ground_truth(tiny.dataset))
    course = namer.over_steps(namer.images(), 1, (5, 12))
    store.ensure(course)
    store.ensure(finished := namer.restart(namer.images(), 1))
    assert store.result(course, OverStepsResult).points[-1] == store.result(finished, ScoresResult)


def test_a_killed_training_is_resumed_and_no_point_is_scored_twice(
    tiny: ExperimentConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namer = Namer(tiny, open_ground_truth(tiny.dataset))
    spec = namer.over_steps(namer.images(), 0, (2, 4, 6, 9, 12))
    whole, killed = (Store(tmp_path / name, over_steps_and_images()) for name in ("whole", "killed"))
    whole.ensure(spec)
    calls = []

    def dying(*words: object, **options: object) -> ScoresResult:
        calls.append(words)
        if len(calls) == 4:
            raise InterruptedError
        return scores_of(*words, **options)

    scores_of = over_steps.scores_of
    monkeypatch.setattr(over_steps, "scores_of", dying)
    with pytest.raises(InterruptedError):
        killed.ensure(spec)
    killed.ensure(spec)
    # The checkpoint is of step 5. The training repeats step 6 and finds its score already there.
    assert len(calls) == 6
    assert killed.result(spec, OverStepsResult) == whole.result(spec, OverStepsResult)


def over_steps_and_images() -> dict:
    """The stages that the instrument needs."""
    from perturb.experiment.stages import STAGES

    return {kind: STAGES[kind] for kind in ("images", "over_steps")}


def test_points_are_every_tenth_of_the_steps_and_halve_before_the_first_tenth() -> None:
    assert points(8_000) == (100, 200, 400, *range(800, 8_001, 800))
    assert points(4) == (1, 2, 3, 4)


def test_settings_can_be_changed_for_experiments_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["analyse", "precision-budget", "--set", "seed=3", "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "perturb: --set changes an experiment's settings, and SUBJECT is no subject; leave it out.\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("migs", "gaps", "said"),
    [
        ([[0.1, 0.38, 0.4], [0.1, 0.38, 0.4]], [0.8, 0.05],
         r"^After 30 steps, MIG is 0\.40 \(95 % interval 0\.40 to 0\.40\), and nine tenths of it from step 20 on\. Without "
         r"a latent .*: wall hue\.$"),
        ([[0.4, 0.1, 0.4], [0.4, 0.1, 0.4]], [0.5, 0.3], r"from step 30 on\.$"),
        ([[np.nan, 0.4, 0.4], [0.4, 0.4, 0.4]], [0.5, 0.3], r"from step 20 on\.$"),
        ([[np.nan, 0.1, np.nan], [0.4, 0.1, 0.4]], [0.5, 0.3], r"^MIG is not defined for all"),
    ],
)  # fmt: skip
def test_the_verdict_depends_on_the_last_points_and_the_rise(migs: list, gaps: list, said: str) -> None:
    course = Course(
        steps=(10, 20, 30), factors=("floor hue", "wall hue"), migs=np.array(migs),
        gaps=np.broadcast_to(gaps, (2, 3, 2)), variances=np.zeros((2, 3, 2)),
    )  # fmt: skip
    assert re.search(said, mig_over_steps._verdict(course))
    assert "nan" not in str(mig_over_steps._table(course))


def test_the_config_is_loaded_with_its_changes(tiny_toml: Path) -> None:
    from perturb.instruments.subject import Subjects

    changed = Subjects(kind="config", name=str(tiny_toml), changes=["seed=9"]).config
    assert changed == load_experiment(tiny_toml).model_copy(update={"seed": 9})
