"""Codes in users' files are read, scored and drawn, or refused in one sentence."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from metric_cases import CASES, TRAINED
from rich.console import Console
from typer.testing import CliRunner

from perturb.cli import app
from perturb.cli.describe import table_of_metrics
from perturb.config.metrics import MetricsConfig
from perturb.datasets.renderers.mini import Mini
from perturb.errors import UserError
from perturb.files import read_json
from perturb.metrics import METRICS, Coded, score
from perturb.metrics.codes_file import as_table, draw_matrices, read_codes, score_each
from perturb.metrics.scoring import score_defined

PNG = b"\x89PNG"


@pytest.fixture
def grid_file(tmp_path: Path) -> Path:
    """Return a file with the codes of a trained model for the whole grid of mini."""
    path = tmp_path / "codes.npz"
    with np.load(TRAINED) as file:
        np.savez(path, codes=file["disentangled"], factors=Mini.grid.factors_of(np.arange(Mini.grid.num_images)))
    return path


def test_codes_of_a_whole_grid_get_the_same_scores_as_in_python(grid_file: Path) -> None:
    found = score_each(read_codes(grid_file), ["mig", "factor_vae"], seed=4)
    assert found["whole_grid"]
    assert found["notes"] == []
    with np.load(grid_file) as file:
        assert found["scores"] == score(Coded(file["codes"], file["factors"]), ["mig", "factor_vae"], seed=4)
    assert found["settings"]["mig"] == {"num_train": 10_000, "num_bins": 20}


def test_a_sample_with_fewer_rows_than_usual_is_scored_with_a_note(tmp_path: Path) -> None:
    path, case = tmp_path / "sample.npz", CASES["noisy"]
    np.savez(path, codes=case.codes, factors=case.factors)
    found = score_each(read_codes(path), ["mig", "sap", "irs"])
    assert not found["whole_grid"]
    assert found["settings"]["sap"]["protocol"] == "held_out"
    assert "SAP on 2,700 + 1,350 rows, fewer than usual: there are no more." in found["notes"]


def test_an_undefined_metric_is_explained_and_the_others_are_scored(tmp_path: Path) -> None:
    path, case = tmp_path / "one.npz", CASES["one latent"]
    np.savez(path, codes=case.codes, factors=case.factors)
    found = score_each(read_codes(path), ["mig", "mcc"])
    assert list(found["scores"]) == ["mcc"]
    assert "at least 2" in found["refused"]["mig"]
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(as_table(found))
    text = console.export_text()
    assert "MCC" in text
    assert f"{found['scores']['mcc']['mcc']:.4f}" in text
    assert "at least 2" in text


def test_a_factor_with_one_row_per_class_only_affects_metrics_that_need_more_rows(tmp_path: Path) -> None:
    path, rng = tmp_path / "unique.npz", np.random.default_rng(0)
    np.savez(path, codes=rng.random((60, 4)), factors=np.stack([rng.integers(3, size=60), np.arange(60)], axis=1))
    out = tmp_path / "scores.json"
    done = CliRunner().invoke(app, ["score", str(path), "--metrics", "mig,infomec,mcc", "--json", str(out)])
    assert done.exit_code == 0, done.output
    found = read_json(out)
    assert list(found["scores"]) == ["mcc", "mig"]
    assert found["refused"]["infomec"].endswith("the classes of the factors [1] have one row each; give more rows.")
    assert "InfoM" in done.output


def test_a_metric_that_raises_or_returns_nan_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> dict[str, float]:
        raise ZeroDivisionError("division\nby zero")

    case = CASES["noisy"]
    coded = Coded(case.codes, case.factors)
    monkeypatch.setitem(METRICS, "mcc", replace(METRICS["mcc"], compute=broken))
    monkeypatch.setitem(METRICS, "irs", replace(METRICS["irs"], compute=lambda *_: {"irs": float("nan")}))
    found = score_each(coded, ["mig", "mcc", "irs"])
    assert list(found["scores"]) == ["mig"]
    assert found["refused"] == {
        "mcc": "MCC cannot be computed from these codes (ZeroDivisionError('division\\nby zero')).",
        "irs": "IRS is not finite for these codes (irs = nan).",
    }


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), ImportError("libgomp.so.1")])
def test_machine_errors_are_raised_instead_of_being_recorded_as_a_refused_metric(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> dict[str, float]:
        raise error

    case = CASES["noisy"]
    monkeypatch.setitem(METRICS, "mcc", replace(METRICS["mcc"], compute=broken))
    with pytest.raises(type(error)):
        score_defined(Coded(case.codes, case.factors), ["mig", "mcc"], MetricsConfig())


def test_every_metric_either_scores_or_refuses_a_dozen_rows(tmp_path: Path) -> None:
    coded = Coded(CASES["noisy"].codes[:12], CASES["noisy"].factors[:12])
    found = score_each(coded, list(METRICS))
    assert "mcc" in found["scores"]
    assert found["refused"]["infomec"] == "InfoMEC needs at least 20 rows, got 12."
    assert set(found["scores"]) | set(found["refused"]) == set(METRICS)


def test_the_matrices_are_drawn_to_a_single_png_file(grid_file: Path, tmp_path: Path) -> None:
    draw_matrices(tmp_path / "m.png", read_codes(grid_file))
    assert (tmp_path / "m.png").read_bytes().startswith(PNG)
    assert [path.name for path in tmp_path.glob("m*")] == ["m.png"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"codes": np.ones((4, 2))}, "must hold the arrays codes and factors; no factors in it, but codes"),
        ({"codes": np.ones((4, 2)), "factors": np.array([{}, 1, 2, 3], dtype=object)}, "without pickles"),
        ({"codes": np.ones((4, 2)), "factors": np.ones((4, 2))}, r"bad\.npz: factors must be class numbers as integers"),
    ],
)
def test_archives_without_valid_codes_and_factors_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(UserError, match=message):
        read_codes(tmp_path / "bad.npz")


def test_missing_files_and_files_other_than_npz_archives_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.ones(3))
    (tmp_path / "text.npz").write_text("hello", encoding="utf-8")
    for name, message in (("one.npy", "holds one array"), ("text.npz", "cannot be read"), ("none.npz", "no such file")):
        with pytest.raises(UserError, match=message):
            read_codes(tmp_path / name)


def test_the_table_of_metrics_lists_every_setting_and_its_fast_value() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table_of_metrics())
    text = console.export_text()
    for name, metric in METRICS.items():
        assert f"│ {name} " in text
        assert all(f"{key} " in text for key in type(metric.fast).model_fields)
    assert "num_train 10,000 (2,500)" in text
    assert "0 to ∞ ↓" in text


def test_large_class_numbers_give_the_same_scores_as_small_ones(tmp_path: Path) -> None:
    """Days given as timestamps in seconds score the same as days given by number."""
    case = CASES["noisy"]
    days = Coded(case.codes, case.factors)
    seconds = Coded(case.codes, case.factors * 86_400 + 1_700_000_000)
    for name in ("mig", "factor_vae", "beta_vae"):
        assert score_each(seconds, [name], seed=3)["scores"] == score_each(days, [name], seed=3)["scores"] != {}


def test_class_numbers_beyond_float_precision_are_refused() -> None:
    factors = np.array([[0], [2**63 + 1]], np.uint64)
    with pytest.raises(UserError, match=r"up to 9,007,199,254,740,992, got 9,223,372,036,854,775,809\."):
        Coded(np.zeros((2, 1)), factors)


def test_torch_tensors_are_accepted_including_bfloat16() -> None:
    case = CASES["noisy"]
    codes, factors = torch.from_numpy(case.codes).float(), torch.from_numpy(case.factors)
    expected = score(Coded(codes.numpy(), case.factors), ["sap"], fast=True)
    assert score(Coded(codes.requires_grad_(), factors), ["sap"], fast=True) == expected
    half = codes.detach().bfloat16()
    assert np.array_equal(Coded(half, factors).codes, half.float().numpy())


def test_ragged_lists_and_sparse_or_meta_tensors_are_refused() -> None:
    for codes in (torch.zeros(2, 2).to_sparse(), [[1.0, 2.0], [3.0]], torch.zeros(2, 2, device="meta")):
        with pytest.raises(UserError, match=r"codes must be "):
            Coded(codes, np.array([[0], [1]]))
