"""Instruments that analyse the finished trainings of an experiment."""

import json
from pathlib import Path
from typing import Any

import pytest

from perturb.cli import main
from perturb.instruments import local_linearity, pca_axes, posterior_precision
from perturb.instruments.subject import subjects_of


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the instruments use few images and draws."""
    for instrument in (local_linearity, posterior_precision):
        monkeypatch.setattr(instrument, "POINTS", 3)
    monkeypatch.setattr(local_linearity, "TRAIN", 20)
    monkeypatch.setattr(posterior_precision, "DRAWS", 2)
    monkeypatch.setattr(posterior_precision, "ACTIVE", 10.0)


def _analyse(name: str, finished: tuple[Path, Path], out: Path) -> dict[str, Any]:
    config, artifacts = finished
    with pytest.raises(SystemExit) as end:
        main(["analyse", name, str(config), "--artifacts", str(artifacts), "--seeds", "2", "--out", str(out)])
    assert end.value.code == 0
    return json.loads((out / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("small")
def test_local_linearity_is_measured_for_every_method_with_a_posterior(finished: tuple[Path, Path], tmp_path: Path) -> None:
    found = _analyse("local-linearity", finished, tmp_path)
    restarts, trained = [f"restart {k}" for k in range(2)], [f"β-VAE, original, seed {k}" for k in range(2)]
    assert list(found["numbers"]) == sorted([*restarts, *trained])
    for errors in found["numbers"].values():
        assert {len(values) for values in errors.values()} == {3}
        assert all(value >= 0 for values in errors.values() for value in values)
    assert "of 4 models" in found["verdict"]
    assert (tmp_path / "local-linearity.png").is_file()


@pytest.mark.usefixtures("small")
def test_posterior_precision_is_measured_for_vaes_only(finished: tuple[Path, Path], tmp_path: Path) -> None:
    found = _analyse("posterior-precision", finished, tmp_path)
    assert len(found["numbers"]) == 4
    for numbers in found["numbers"].values():
        assert 0 <= numbers["off_diagonal"] <= 1
        assert numbers["ratio"] > 0
    assert "of 4 models the curvature is nearer to diagonal" in found["verdict"]


def test_the_scores_of_a_model_are_those_of_its_experiment(finished: tuple[Path, Path]) -> None:
    (first, *_) = subjects_of(str(finished[0]), ["config"], artifacts=finished[1]).trained
    assert first.scoring is not None
    assert "mig" in first.scores
    assert first.score(["mig"])["mig"] == first.scores["mig"]


def test_the_axes_of_every_finished_variants_images_are_measured(
    finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pca_axes, "IMAGES", 200)
    monkeypatch.setattr(pca_axes, "CENTRES", 3)
    found = _analyse("pca-axes", finished, tmp_path)
    assert set(found["numbers"]) == {"original", "modified", "noise", "untrained"}
    original = found["numbers"]["original"]
    assert original["factors"] == ["floor_hue", "wall_hue", "object_hue", "sky_hue"]
    # The wall covers nearly half of an image, so the first component follows its hue.
    assert max(original["explained"][0]) == original["explained"][0][1] > 0.9
    assert [len(there) for there in original["local_explained"]] == [4, 4, 4]
    assert sum(original["variance_shares"]) <= 1
    assert "On modified images" in found["verdict"]
    assert (tmp_path / "pca-axes.png").is_file()


def test_datasets_can_be_analysed_before_anything_is_trained(tmp_path: Path) -> None:
    subjects = subjects_of("configs/quickstart.toml", ["dataset"], artifacts=tmp_path)
    assert subjects.truth is not None
    assert (subjects.truth.name, dict(subjects.files), list(subjects.trained)) == ("mini", {}, [])


def test_the_trainings_of_an_experiment_are_identified_by_method_and_variant(finished: tuple[Path, Path]) -> None:
    subjects = subjects_of(str(finished[0]), ["config"], artifacts=finished[1])
    assert {(model.method, model.variant) for model in subjects.trained} == {
        ("restart", "original"),
        *((method, variant) for method in ("β-VAE", "AE") for variant in ("original", "modified", "noise", "untrained")),
    }
    assert [model.label for model in subjects.some(1)] == ["restart 0", "β-VAE, original, seed 0", "AE, original, seed 0"]
    assert all(len(model.pixels) == len(model.truth.grid) for model in subjects.some(1))


def test_a_run_can_be_analysed_by_its_directory(finished: tuple[Path, Path]) -> None:
    run = next((finished[1] / "runs").glob("restart-*"))
    subjects = subjects_of(str(run), ["config", "run"], artifacts=finished[1])
    assert [model.run for model in subjects.trained] == [run.resolve()]


def test_an_autoencoder_is_refused_because_it_has_no_posterior(finished: tuple[Path, Path], tmp_path: Path) -> None:
    runs = (finished[1] / "runs").glob("restart-*")
    autoencoder = next(
        run for run in runs if "AE" in json.loads((run / "manifest.json").read_text())["label"].split(",")[0][:2]
    )
    with pytest.raises(SystemExit) as end:
        main(["analyse", "posterior-precision", str(autoencoder), "--out", str(tmp_path)])
    assert end.value.code == 2
    assert not list(tmp_path.glob("*.json"))
