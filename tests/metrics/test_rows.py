"""Tests of the rows that a metric reads, on small and large grids and on samples in any order."""

from pathlib import Path

import numpy as np
import pytest
from metric_cases import CASES, FACTORS, IDENTITY, SMALL
from typer.testing import CliRunner

from perturb.cli import app
from perturb.config.metrics import FittedConfig, MetricsConfig, SAPConfig, TrainTestConfig
from perturb.datasets import DSprites, Mini
from perturb.errors import UserError
from perturb.files import read_json
from perturb.metrics import METRICS, Coded, score
from perturb.metrics.coded import SMALL as SMALL_GRID
from perturb.metrics.coded import drawn, row_counts

FITTED = [name for name, field in MetricsConfig.model_fields.items() if isinstance(field.default, FittedConfig)]
OF_ONE_SAMPLE = [name for name in METRICS if name not in FITTED and not METRICS[name].interventional]
GRID = Mini.grid.factors_of(np.arange(Mini.grid.num_images))
NOISE = np.random.default_rng(5).normal(size=(len(GRID), 5))


def _rows(length: int, settings: TrainTestConfig, *, is_grid: bool, seed: int = 0) -> list[np.ndarray]:
    return drawn(length, settings, np.random.default_rng(seed), is_grid=is_grid)


def test_metrics_that_fit_a_model_use_held_out_rows_except_under_library_settings() -> None:
    assert set(FITTED) == {"dci", "sap", "explicitness", "disentanglement_score", "infomec"}
    for name in FITTED:
        assert getattr(MetricsConfig(), name).protocol == METRICS[name].fast.protocol == "held_out"
        assert getattr(MetricsConfig.library(), name).protocol == "library"


def test_library_settings_are_serialised_without_the_protocol_field() -> None:
    assert "protocol" not in MetricsConfig.library().dci.model_dump()
    assert MetricsConfig().dci.model_dump()["protocol"] == "held_out"


@pytest.mark.parametrize("is_grid", [True, False], ids=["grid", "sample"])
def test_scarce_rows_are_drawn_at_most_once_and_split_in_proportion(is_grid: bool) -> None:
    train, test = _rows(4_096, TrainTestConfig(), is_grid=is_grid)
    assert (len(train), len(test)) == (2_730, 1_365)
    assert len(np.unique([*train, *test])) == len(train) + len(test)
    assert not np.array_equal(train, np.sort(train))


@pytest.mark.parametrize(("extra", "twice"), [(0, True), (-1, False)])
def test_rows_repeat_only_if_the_grid_has_at_least_ten_times_the_requested_rows(extra: int, twice: bool) -> None:
    settings = TrainTestConfig(num_train=2_000, num_test=1_000)
    rows = np.concatenate(_rows(SMALL_GRID * 3_000 + extra, settings, is_grid=True))
    assert (len(np.unique(rows)) < len(rows)) == twice


def test_large_grids_are_sampled_exactly_as_under_library_settings() -> None:
    library = TrainTestConfig(protocol="library")
    for length in (DSprites.grid.num_images, 480_000):
        for one, other in zip(
            _rows(length, TrainTestConfig(), is_grid=True), _rows(length, library, is_grid=True), strict=True
        ):
            assert np.array_equal(one, other)


def test_pure_noise_on_a_small_grid_has_chance_level_informativeness() -> None:
    """Chance is 0.125 for eight values per factor. Trees score higher on the rows that they were fitted to."""
    settings = MetricsConfig.model_validate({"dci": {"trees": 8}})
    library = MetricsConfig.model_validate({"dci": {"trees": 8, "protocol": "library"}})
    found, as_library = (score(Coded(NOISE, GRID), ["dci"], settings=each)["dci"] for each in (settings, library))
    assert found["dci_informativeness"] == pytest.approx(0.125, abs=0.02)
    assert as_library["dci_informativeness"] > 0.18
    assert found["dci_informativeness_train"] > 0.18


@pytest.mark.parametrize("metric", ["explicitness", "disentanglement_score"])
def test_other_fitted_metrics_score_noise_at_chance_unlike_under_library_settings(metric: str) -> None:
    found, as_library = (
        score(Coded(NOISE, GRID), [metric], settings=each)[metric][METRICS[metric].score]
        for each in (MetricsConfig(), MetricsConfig.library())
    )
    assert as_library - found > (0.01 if metric == "explicitness" else 0.003)
    assert found == pytest.approx(0.5 if metric == "explicitness" else 0.0, abs=0.012)


@pytest.mark.parametrize("metric", OF_ONE_SAMPLE)
def test_metrics_of_a_single_sample_read_every_row_and_ignore_the_order(metric: str) -> None:
    case, order = CASES["noisy"], np.random.default_rng(2).permutation(len(FACTORS))
    found, reordered = (
        score(coded, [metric], settings=SMALL)[metric][METRICS[metric].score] for coded in (case, Coded(*case[order]))
    )
    assert reordered == pytest.approx(found, rel=1e-9)
    assert row_counts(len(case), getattr(SMALL, metric), is_grid=False) == [len(case)]


@pytest.mark.parametrize("metric", FITTED)
def test_fitted_metrics_are_finite_on_rows_sorted_by_a_factor(metric: str) -> None:
    halves = np.arange(len(FACTORS)) >= len(FACTORS) // 2
    factors = np.stack([halves.astype(int), FACTORS[:, 1]], axis=1)
    found = score(Coded(IDENTITY, factors), [metric], settings=SMALL)[metric]
    assert np.isfinite(list(found.values())).all()


@pytest.mark.parametrize("metric", [name for name in FITTED if name != "dci"])
def test_fewer_rows_than_library_settings_request_are_reported_in_one_sentence(metric: str) -> None:
    few = Coded(IDENTITY[:100], FACTORS[:100])
    with pytest.raises(UserError, match=r"ask for .* rows, and the codes have 100, which are not a whole grid"):
        score(few, [metric], settings=MetricsConfig.library())


def test_too_few_rows_to_split_are_reported_in_one_sentence() -> None:
    with pytest.raises(UserError, match="needs more than 5 rows"):
        row_counts(5, SAPConfig(), is_grid=False)


def test_the_command_and_python_score_sorted_rows_identically(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(3), 24_000
    factors = np.stack([np.sort(rng.integers(0, 12, rows)), rng.integers(0, 6, rows), rng.integers(0, 7, rows)], axis=1)
    codes = factors + 0.4 * rng.normal(size=(rows, 3))
    np.savez(tmp_path / "sorted.npz", codes=codes, factors=factors)
    command = ["score", str(tmp_path / "sorted.npz"), "--metrics", "mig,sap", "--json", str(tmp_path / "found.json")]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert read_json(tmp_path / "found.json")["scores"] == score(Coded(codes, factors), ["mig", "sap"])


def test_the_command_can_score_under_library_settings(tmp_path: Path) -> None:
    np.savez(tmp_path / "grid.npz", codes=NOISE, factors=GRID)
    out = tmp_path / "found.json"
    command = ["score", str(tmp_path / "grid.npz"), "--metrics", "sap", "--json", str(out), "--library"]
    assert CliRunner().invoke(app, command).exit_code == 0
    expected = score(Coded(NOISE, GRID), ["sap"], settings=MetricsConfig.library())
    assert read_json(out)["scores"] == expected
    assert expected != score(Coded(NOISE, GRID), ["sap"])
