"""Every metric keeps its bounds and invariances and copes with degenerate input."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from metric_cases import CASES, FACTORS, IDENTITY, NOISE, SIZES, SMALL

from perturb.config.metrics import MetricName, MetricsConfig
from perturb.errors import UserError
from perturb.metrics import METRICS, TABLE_METRICS, Coded, Scores, score
from perturb.metrics.udr import compute_udr

TWO_LATENTS = {"mig", "dci", "sap", "disentanglement_score"}
"""Metrics that need two latents: they use gaps between latents or entropies over them."""
TWO_FACTORS = {"dci", "modularity", "mig_sup", "infomec"}


def _scores(metric: str, coded: Coded, seed: int = 0) -> Scores:
    return score(coded, [metric], settings=SMALL, seed=seed)[metric]


def _main(metric: str, codes: np.ndarray, factors: np.ndarray = FACTORS) -> float:
    return _scores(metric, Coded(codes, factors))[METRICS[metric].score]


def test_the_metric_table_the_settings_and_the_names_agree() -> None:
    assert set(METRICS) == set(MetricsConfig.model_fields) == set(get_args(MetricName))
    assert set(TABLE_METRICS) <= set(METRICS)
    for name, metric in METRICS.items():
        assert type(metric.fast) is type(getattr(MetricsConfig(), name))
        assert metric.source
        assert metric.title


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_documented_as_in_the_table(metric: str) -> None:
    document = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    (line,) = [line for line in document.splitlines() if line.startswith(f"| `{metric}`")]
    assert line.startswith(f"| `{metric}` *") == METRICS[metric].in_library
    assert ("| higher |" in line) == METRICS[metric].higher_is_better
    assert METRICS[metric].source.split(",")[0] in line


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("case", ["identity", "mixed", "noise", "with a constant", "all constant", "entangled model"])
def test_scores_are_finite_and_within_their_range(metric: str, case: str) -> None:
    found = _scores(metric, CASES[case])
    low, high = METRICS[metric].range
    assert METRICS[metric].score in found
    assert all(type(value) is float and np.isfinite(value) for value in found.values())
    value = found[METRICS[metric].score]
    assert low - 0.05 <= value <= (np.inf if high is None else high + 1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_latents_does_not_matter(metric: str) -> None:
    codes = IDENTITY + 0.1 * NOISE
    # Trees with equal splits and gaps between ties depend on the order a little.
    assert _main(metric, codes[:, ::-1]) == pytest.approx(_main(metric, codes), abs=0.02)


@pytest.mark.parametrize("metric", sorted(set(METRICS) - {"active_units", "sap", "beta_vae"}))
def test_the_scale_of_the_latents_does_not_matter(metric: str) -> None:
    codes = IDENTITY + 0.1 * NOISE
    assert _main(metric, 4.0 * codes) == pytest.approx(_main(metric, codes), abs=0.02)


@pytest.mark.parametrize("metric", sorted({"sap", "beta_vae"}))
def test_metrics_with_a_regularised_model_depend_on_the_scale_but_not_on_a_shift(metric: str) -> None:
    """Support vector machines and penalised regressions depend on the scale of the codes, in disentanglement_lib too."""
    codes = IDENTITY + 0.1 * NOISE
    assert _main(metric, 100.0 * codes) != pytest.approx(_main(metric, 0.01 * codes), abs=0.02)
    assert _main(metric, codes + 0.01) == pytest.approx(_main(metric, codes), abs=0.03)


@pytest.mark.parametrize("metric", sorted(set(METRICS) - {"active_units", "explicitness", "unsupervised"}))
def test_mixing_two_latents_lowers_the_score(metric: str) -> None:
    # Nearest neighbours separate values wherever they lie, so only noise lowers this score.
    codes, scores = IDENTITY + (0.05 * NOISE if metric == "disentanglement_score" else 0), []
    for angle in (0, np.pi / 16, np.pi / 4):
        rotation = np.eye(5)
        rotation[3:, 3:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        scores.append(_main(metric, codes @ rotation))
    assert scores[0] >= scores[1] - 0.03
    assert scores[1] >= scores[2] - 0.03
    # Two of five factors now share two latents.
    assert scores[0] > scores[2] + 0.005


def test_mixing_latents_makes_them_dependent() -> None:
    correlated = IDENTITY @ np.array([[1, 0.8, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]])
    found, before = _scores("unsupervised", Coded(correlated, FACTORS)), _scores("unsupervised", CASES["identity"])
    assert all(found[name] > before[name] for name in found)


@pytest.mark.parametrize("metric", METRICS)
def test_a_score_depends_on_the_seed_but_not_on_other_requested_metrics(metric: str) -> None:
    grid = Coded(np.random.default_rng(0).normal(size=(np.prod(SIZES), 3)), _grid())
    alone = score(grid, [metric], settings=SMALL, seed=3)
    assert alone == {metric: score(grid, ["mig", metric], settings=SMALL, seed=3)[metric]}


def _grid() -> np.ndarray:
    return np.stack(np.unravel_index(np.arange(np.prod(SIZES)), SIZES), axis=1)


@pytest.mark.parametrize("metric", METRICS)
def test_one_latent_has_a_score_or_is_refused_in_one_sentence(metric: str) -> None:
    if metric in TWO_LATENTS:
        with pytest.raises(UserError, match="at least 2"):
            _scores(metric, CASES["one latent"])
    else:
        assert np.isfinite(list(_scores(metric, CASES["one latent"]).values())).all()


@pytest.mark.parametrize("metric", METRICS)
def test_one_factor_has_a_score_or_is_refused_in_one_sentence(metric: str) -> None:
    coded = Coded(IDENTITY, FACTORS[:, :1])
    if metric in TWO_FACTORS:
        with pytest.raises(UserError, match="at least 2"):
            _scores(metric, coded)
    else:
        assert np.isfinite(list(_scores(metric, coded).values())).all()


@pytest.mark.parametrize("metric", ["irs", "unsupervised", "explicitness", "factor_vae"])
def test_a_latent_whose_variance_is_a_rounding_error_counts_as_constant(metric: str) -> None:
    constant = np.full((len(IDENTITY), 1), 0.7)
    assert constant.var() > 0
    with_it = _scores(metric, Coded(np.concatenate([IDENTITY, constant], axis=1), FACTORS))
    assert with_it == pytest.approx(_scores(metric, CASES["identity"]), abs=1e-6)


def test_the_total_correlation_does_not_depend_on_units() -> None:
    units = np.array([1.0, 1e-8, 1e6, 1.0, 1.0])
    found, scaled = (
        _scores("unsupervised", Coded(codes, FACTORS)) for codes in (IDENTITY + NOISE, (IDENTITY + NOISE) * units)
    )
    assert scaled["gaussian_total_correlation"] == pytest.approx(found["gaussian_total_correlation"], rel=1e-6)


def test_the_total_correlation_of_duplicated_latents_is_refused() -> None:
    with pytest.raises(UserError, match="linear combinations"):
        _scores("unsupervised", CASES["duplicated"])


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (IDENTITY[:, 0], FACTORS, r"codes must be numbers \(n, latents\), got float64 of shape \(4050,\)"),
        (IDENTITY.astype(str), FACTORS, "codes must be numbers"),
        (IDENTITY[:0], FACTORS[:0], "codes must be numbers"),
        (IDENTITY, FACTORS[:50], r"n = 4,050 as the codes, got shape \(50, 5\)"),
        (IDENTITY, FACTORS.astype(float), "class numbers as integers, got float64"),
        (IDENTITY, FACTORS - 1, "class numbers from 0, got -1"),
        (np.where(IDENTITY > 0.8, np.nan, IDENTITY), FACTORS, r"must be finite; [\d,]+ of 4,050 rows are not, the first is"),
        (IDENTITY, FACTORS * np.array([1, 0, 1, 1, 1]), r"drop the columns \[1\]"),
    ],
)
def test_arrays_that_cannot_be_scored_are_refused(codes: np.ndarray, factors: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Coded(codes, factors)


def test_unknown_metrics_and_settings_combined_with_fast_are_refused() -> None:
    with pytest.raises(UserError, match=r"metrics must be among mig, dci.*; got fid"):
        score(CASES["identity"], ["mig", "fid"])
    with pytest.raises(UserError, match="fast brings its own settings"):
        score(CASES["identity"], ["mig"], settings=SMALL, fast=True)


@pytest.mark.parametrize("metric", ["mig", "mcc", "mig_sup", "factor_vae", "beta_vae", "modularity"])
def test_the_identity_code_scores_nearly_one(metric: str) -> None:
    assert _main(metric, IDENTITY) > 0.98


@pytest.mark.parametrize("metric", ["mig", "mcc", "mig_sup", "sap", "dci", "disentanglement_score"])
def test_noise_scores_nearly_zero(metric: str) -> None:
    assert abs(_main(metric, NOISE)) < 0.1


def test_batches_share_the_requested_factor_and_are_uniform_in_the_others() -> None:
    coded, rng = Coded(np.arange(np.prod(SIZES))[:, None].astype(float), _grid()), np.random.default_rng(0)
    rows = rng.integers(len(coded), size=200)
    for factor in range(len(SIZES)):
        partners = coded.sample_sharing_factor(rows, factor, 50, rng)
        assert (coded.factors[partners, factor] == coded.factors[rows, factor][:, None]).all()
        for other in set(range(len(SIZES))) - {factor}:
            shares = np.bincount(coded.factors[partners, other].ravel(), minlength=SIZES[other]) / partners.size
            assert np.abs(shares - 1 / SIZES[other]).max() < 0.02


def test_models_that_agree_rank_above_those_that_do_not() -> None:
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(500, 4))
    agreeing = [latents[:, rng.permutation(4)] * rng.choice([-1, 1], 4) for _ in range(3)]
    mixed = latents @ np.linalg.qr(rng.normal(size=(4, 4)))[0]
    kl = np.ones(4)
    for correlation in ("lasso", "spearman"):
        found = compute_udr([*agreeing, mixed], [kl] * 4, correlation=correlation)
        assert found.shape == (4,)
        assert found[:3].min() > found[3] + 0.2
    silent = compute_udr(agreeing, [np.array([1, 1, 1, 0.0])] * 3)
    assert np.isfinite(silent).all()
    with pytest.raises(UserError, match="at least 2 models"):
        compute_udr([latents], [kl])
