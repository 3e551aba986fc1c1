"""User-defined ground truths: requirements, refusals, and the worked example through the pipeline."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from perturb.config import config_hash, load_experiment
from perturb.datasets import grid_of, load_own, open_ground_truth
from perturb.errors import UserError
from perturb.experiment.plan import plan_experiment

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "own_ground_truth"
GOOD = """
import numpy as np
from perturb.datasets import FactorGrid, GroundTruth

class Scene(GroundTruth):
    grid = FactorGrid(("grey", "other"), (4, 3))
    image_shape = (32, 32, 1)

    def images(self, indices):
        grey = self.grid.factors_of(indices)[:, :1, None, None]
        return (20 * np.broadcast_to(grey, (len(indices), 32, 32, 1))).astype(np.uint8)
"""


def _file(folder: Path, text: str) -> Path:
    path = folder / "scene.py"
    path.write_text(text, encoding="utf-8")
    return path


def _experiment(folder: Path, tiny_toml: Path) -> Path:
    own = 'name = "own"\npath = "scene.py"'
    path = folder / "own.toml"
    path.write_text(tiny_toml.read_text(encoding="utf-8").replace('name = "mini"', own), encoding="utf-8")
    return path


def test_a_grid_an_image_shape_and_images_are_enough(tmp_path: Path) -> None:
    truth = load_own(_file(tmp_path, GOOD))
    assert (truth.name, truth.layout, truth.grid.num_images) == ("scene", "shapes3d", 12)
    assert [values.tolist() for values in truth.factor_values] == [[0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0]]
    assert truth.images(np.array([0, 3, 11]))[:, 0, 0, 0].tolist() == [0, 20, 60]
    assert truth.provenance()["source"] == "code"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("class Scene(GroundTruth)", "class Scene", "must define one subclass of perturb.datasets.GroundTruth, got none."),
        ("class Scene", "class First(GroundTruth): pass\n\nclass Scene", "GroundTruth, got First, Scene."),
        ("def images", "def pictures", "Scene must define images."),
        ("(4, 3)", "(4, 1)", "Scene.grid must name every factor, and each must take 2 values or more."),
        ('("grey", "other")', '("grey",)', "Scene.grid must name every factor"),
        ("grid = Fac", "grid = 3\n    other_grid = Fac", "Scene.grid must be a perturb.datasets.FactorGrid."),
        ("(32, 32, 1)\n", "(32, 32, 3)\n", "must return uint8 (2, 32, 32, 3), got uint8 (2, 32, 32, 1)."),
        ("np.uint8", "np.float32", "must return uint8 (2, 32, 32, 1), got float32 (2, 32, 32, 1)."),
        (
            "    image_shape",
            "    factor_values = ((1, 2), (1, 2, 3))\n    image_shape",
            "must have (4, 3) values, got (2, 3).",
        ),
    ],
)
def test_a_class_that_breaks_a_rule_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    path = _file(tmp_path, GOOD.replace(old, new))
    with pytest.raises(UserError) as caught:
        load_own(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_missing_files_and_files_that_are_not_python_are_refused(tmp_path: Path, tiny_toml: Path) -> None:
    with pytest.raises(UserError, match=r"there is no such file; dataset\.path must name the Python file"):
        load_own(tmp_path / "scene.py")
    (tmp_path / "scene.txt").write_text("")
    with pytest.raises(UserError, match=r"must be a Python file, whose name ends in \.py"):
        load_own(tmp_path / "scene.txt")
    text = tiny_toml.read_text(encoding="utf-8").replace('name = "mini"', 'name = "own"')
    tiny_toml.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"dataset\.path must name the Python file of your ground truth"):
        load_experiment(tiny_toml)


def test_changed_code_changes_the_config_hash_and_is_refused_in_a_running_experiment(
    tmp_path: Path, tiny_toml: Path
) -> None:
    path = _file(tmp_path, GOOD)
    before = load_experiment(_experiment(tmp_path, tiny_toml))
    assert grid_of(before.dataset).sizes == (4, 3)
    _file(tmp_path, GOOD.replace("20", "30"))
    after = load_experiment(tmp_path / "own.toml")
    assert config_hash(before) != config_hash(after)
    assert open_ground_truth(after.dataset).images(np.array([3]))[0, 0, 0, 0] == 30
    with pytest.raises(UserError, match=r"scene\.py: has changed while the experiment was running"):
        open_ground_truth(before.dataset)
    assert path.is_file()


def test_images_of_a_size_that_no_architecture_supports_are_refused(tmp_path: Path, tiny_toml: Path) -> None:
    _file(tmp_path, GOOD.replace("32, 32", "48, 48"))
    with pytest.raises(UserError, match="the images of scene are 48 × 48; make images of 32 × 32 or 64 × 64"):
        plan_experiment(load_experiment(_experiment(tmp_path, tiny_toml)))


@pytest.mark.slow
def test_the_example_runs_through_the_pipeline(tmp_path: Path) -> None:
    command = [
        Path(sys.executable).parent / "perturb",
        "run",
        EXAMPLE / "discs.toml",
        "--artifacts",
        tmp_path,
        "--no-prefect",
    ]
    small = ["--budget", "0.004", "--set", "selection.max_unit_variance=9", "--set", "collapse.action=warn"]
    done = subprocess.run([*command, *small], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(Path(done.stdout.splitlines()[-1]).read_text(encoding="utf-8"))
    assert {row["variant"] for row in results["rows"]} == {"original", "modified", "noise", "untrained"}
    assert results["dataset"] == "own"
