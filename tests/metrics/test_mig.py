"""MIG, MIG-sup and mutual information against hand calculations."""

import numpy as np
import pytest
from metric_cases import CASES, FACTORS

from perturb.config.metrics import BinnedConfig
from perturb.metrics import Coded
from perturb.metrics.information import discretised, entropies, mutual_information
from perturb.metrics.mig import compute_mig, compute_mig_sup

SETTINGS = BinnedConfig(num_train=4_000)


def _mig(coded: Coded) -> dict[str, float]:
    return compute_mig(coded, SETTINGS, np.random.default_rng(0))


def test_mig_of_two_latents_that_share_a_factor_matches_a_hand_calculation() -> None:
    """One latent encodes a binary factor fully, the other with 25 % errors: its information is ln 2 − H(1/4)."""
    factors = np.tile([0, 1], 2000)[:, None]
    flipped = factors[:, 0] ^ (np.arange(4000) // 2 % 4 == 0)
    coded = Coded(np.stack([factors[:, 0], flipped], axis=1).astype(float), factors)
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert _mig(coded)["mig"] == pytest.approx(entropy / np.log(2))
    assert not coded.is_grid


def test_mig_sup_of_a_latent_that_encodes_two_factors_matches_a_hand_calculation() -> None:
    """Latent 0 encodes two binary factors, latent 1 only the second: one gap is 0, the other is 1."""
    factors = np.stack([np.arange(4000) // 2 % 2, np.arange(4000) % 2], axis=1)
    codes = np.stack([factors @ [2.0, 1.0], factors[:, 1]], axis=1)
    found = compute_mig_sup(Coded(codes, factors), SETTINGS, np.random.default_rng(0))
    assert found["mig_sup"] == pytest.approx(0.5)


def test_constant_latents_do_not_affect_mig_sup() -> None:
    found, plain = (
        compute_mig_sup(CASES[name], SETTINGS, np.random.default_rng(0)) for name in ("with a constant", "identity")
    )
    assert found == plain


def test_mig_is_the_mean_of_the_gaps_of_the_factors() -> None:
    found = _mig(CASES["mixed"])
    gaps = [found[f"mig_factor_{k}"] for k in range(5)]
    assert np.mean(gaps) == pytest.approx(found["mig"])


def test_bins_have_equal_width_and_include_both_ends() -> None:
    bins = discretised(np.array([[0.0], [0.049], [0.051], [0.951], [1.0]]), 20)
    assert bins[:, 0].tolist() == [1, 1, 2, 20, 20]


def test_mutual_information_and_entropy_equal_scikit_learns() -> None:
    from sklearn.metrics import mutual_info_score

    bins = discretised(CASES["noisy"].codes, 20)
    found = mutual_information(bins, FACTORS)
    expected = [[mutual_info_score(factor, latent) for factor in FACTORS.T] for latent in bins.T]
    assert found == pytest.approx(np.array(expected), abs=1e-12)
    assert entropies(FACTORS) == pytest.approx([mutual_info_score(f, f) for f in FACTORS.T], abs=1e-12)


def test_class_values_need_not_be_consecutive() -> None:
    rows = np.random.default_rng(0).choice([-7, 3, 10**9], size=(500, 1))
    assert mutual_information(rows, rows)[0, 0] == pytest.approx(entropies(rows)[0])
