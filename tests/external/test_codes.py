"""Codes computed elsewhere: how files are matched to variants and seeds, and checked against the benchmark."""

import json
from pathlib import Path

import numpy as np
import pytest

from perturb.cli import main
from perturb.datasets import Mini
from perturb.errors import UserError
from perturb.external import benchmark
from perturb.external.plan import codes_in, scores_seed
from perturb.metrics import Coded, score
from perturb.metrics.codes_file import codes_on

GRID = Mini.grid
FACTORS = GRID.factors_of(np.arange(len(GRID)))
SETTINGS = {"seeds": 1, "quiet": True, "way": "codes"}


def _codes(seed: int) -> np.ndarray:
    return FACTORS + np.random.default_rng(seed).normal(scale=1 + seed, size=FACTORS.shape)


def _save(path: Path, codes: np.ndarray, factors: np.ndarray = FACTORS) -> Path:
    path.parent.mkdir(exist_ok=True)
    np.savez(path, codes=codes, factors=factors)
    return path


def test_codes_of_all_images_in_any_order_are_scored_like_those_of_an_encoder(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(len(GRID))
    coded = codes_on(_save(tmp_path / "a.npz", _codes(0)[order], FACTORS[order]), GRID)
    assert score(coded, ["mig"], seed=2) == score(Coded(_codes(0), FACTORS), ["mig"], seed=2)


def test_codes_of_half_the_grid_are_treated_as_a_sample(tmp_path: Path) -> None:
    coded = codes_on(_save(tmp_path / "a.npz", _codes(0)[:2048], FACTORS[:2048]), GRID)
    assert not coded.is_grid  # although the first half of the grid is itself a grid
    assert len(coded) == 2048


@pytest.mark.parametrize(
    "factors", [FACTORS[:, :3], FACTORS * 2, np.concatenate([FACTORS, FACTORS], axis=1)], ids=["fewer", "larger", "more"]
)
def test_factors_of_another_benchmark_are_refused(factors: np.ndarray, tmp_path: Path) -> None:
    path = _save(tmp_path / "a.npz", _codes(0), factors)
    with pytest.raises(UserError, match=r"a\.npz: factors must be the benchmark's, floor_hue.* with \(8, 8, 8, 8\) values"):
        codes_on(path, GRID)


def test_code_files_are_found_by_variant_and_seed(tmp_path: Path) -> None:
    for name in ("original-0", "original-1", "modified-0", "modified-1", "modified_twice", "notes"):
        _save(tmp_path / f"{name}.npz", _codes(0))
    found = codes_in(tmp_path, ["original", "modified"])
    assert {key: path.name for key, path in found.items()} == {
        (variant, seed): f"{variant}-{seed}.npz" for variant in ("original", "modified") for seed in (0, 1)
    }


def test_a_folder_without_codes_of_the_same_seeds_for_every_variant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent: there is no such folder; name one with original\.npz, modified\.npz"):
        codes_in(tmp_path / "absent", ["original"])
    _save(tmp_path / "original-0.npz", _codes(0))
    with pytest.raises(UserError, match=r"has no codes of the variant modified; save them as modified\.npz\.$"):
        codes_in(tmp_path, ["original", "modified"])
    _save(tmp_path / "modified-1.npz", _codes(0))
    with pytest.raises(UserError, match=r"of the same seeds; original has \[0\], modified has \[1\]\.$"):
        codes_in(tmp_path, ["original", "modified"])


def test_codes_of_several_models_are_scored_in_pairs_and_rescored_when_they_change(tmp_path: Path) -> None:
    for variant, shift in (("original", 0), ("modified", 1)):
        for seed in (0, 1):
            _save(tmp_path / "codes" / f"{variant}-{seed}.npz", _codes(shift + seed))
    _save(tmp_path / "codes" / "modified-1.npz", np.full(FACTORS.shape, np.nan))
    run = {"variants": ("original", "modified"), "out": tmp_path / "out", **SETTINGS}
    first = benchmark(tmp_path / "codes", **run)
    expected = score(Coded(_codes(1), FACTORS), ["mig"], seed=scores_seed(0))["mig"]["mig"]
    runs = {(each.variant, each.seed): each for each in first.entry.runs}
    assert runs["original", 1].scores == {"mig": expected}
    assert runs["modified", 1].failure.endswith("codes must be finite; 4,096 of 4,096 rows are not, the first is row 0")
    assert (first.entry.model, first.entry.how, first.entry.seeds) == ("codes", "codes", (0, 1))
    _save(tmp_path / "codes" / "modified-1.npz", _codes(2))
    assert benchmark(tmp_path / "codes", **run).failures == []
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 5


def test_the_metric_settings_of_an_experiment_are_used_for_the_entry(tmp_path: Path, tiny_toml: Path) -> None:
    tiny_toml.write_text(tiny_toml.read_text(encoding="utf-8") + "[metrics.sap]\nnum_test = 300\n", encoding="utf-8")
    for variant in ("original", "modified"):
        _save(tmp_path / "codes" / f"{variant}.npz", _codes(0))
    command = ["evaluate", "--codes", str(tmp_path / "codes"), "--variants", "original,modified", "--metrics", "mig,sap"]
    command += ["--settings-of", str(tiny_toml), "--out", str(tmp_path / "out"), "--quiet"]
    with pytest.raises(SystemExit) as end:
        main(command)
    assert end.value.code == 0
    entry = json.loads((tmp_path / "out" / "entry.json").read_text(encoding="utf-8"))
    found = {metric["name"]: metric["settings"] for metric in entry["metrics"]}
    assert found["mig"]["num_train"] == 500
    assert found["sap"] | {"num_test": 300, "num_train": 10_000} == found["sap"]
    with pytest.raises(SystemExit) as end:
        main([*command, "--fast"])
    assert end.value.code == 2
