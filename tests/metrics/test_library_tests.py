"""disentanglement_lib's own 44 metric tests, run with our functions in place of its own."""

import importlib
import unittest
from types import SimpleNamespace

import numpy as np
import oracle
import pytest

from perturb.config.metrics import BetaVAEScoreConfig, FactorVAEScoreConfig
from perturb.metrics import (
    Coded,
    beta_vae,
    dci,
    explicitness,
    factor_vae,
    information,
    irs,
    modularity,
    sap,
    unsupervised,
)
from perturb.metrics.coded import gap_to_runner_up

MODULES = (
    "utils_test", "mig_test", "dci_test", "sap_score_test", "factor_vae_test", "beta_vae_test", "irs_test",
    "modularity_explicitness_test", "unsupervised_metrics_test",
)  # fmt: skip
ROWS = 5_000


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("disentanglement_lib")
    import gin

    lib = oracle.library()
    with gin.unlock_config():
        _swap(lib, monkeypatch)
        yield lib
    gin.clear_config()
    oracle.library()


def _swap(lib: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the library's functions by ours. The library's arrays are transposed: a column per sample."""

    def compute_mig(codes, factors):
        bins = lib.utils.make_discretizer(codes)
        shares = information.mutual_information(bins.T, factors.T) / information.entropies(factors.T)
        return {"discrete_mig": gap_to_runner_up(shares).mean()}

    def importances(x_train, y_train, x_test, y_test):
        return dci.importances((x_train.T, y_train.T), (x_test.T, y_test.T), trees=100, seed=0)

    def scores(x_train, y_train, x_test, y_test, continuous):
        if continuous:
            return sap.squared_correlations(x_train.T, y_train.T)
        return sap.accuracies((x_train.T, y_train.T), (x_test.T, y_test.T))

    def sampled(data, represent, generator):
        factors = data.sample_factors(ROWS, generator)
        images = data.sample_observations_from_factors(factors, generator)
        return Coded(np.asarray(represent(images), dtype=float), factors)

    def compute_factor_vae(data, represent, generator, _, batch, train, test, variance):
        settings = FactorVAEScoreConfig(num_variance=variance, num_train=train, num_test=test, batch_size=batch)
        found = factor_vae.compute_factor_vae(sampled(data, represent, generator), settings, np.random.default_rng(0))
        return {"eval_accuracy": found["factor_vae"], "train_accuracy": found["factor_vae_train"]}

    def compute_beta_vae(data, represent, generator, _, batch, train, test):
        settings = BetaVAEScoreConfig(num_train=train, num_test=test, batch_size=batch)
        found = beta_vae.compute_beta_vae(sampled(data, represent, generator), settings, np.random.default_rng(0))
        return {"eval_accuracy": found["beta_vae"], "train_accuracy": found["beta_vae_train"]}

    def robustness(factors, codes, quantile=0.99):
        largest = np.abs(codes - codes.mean(axis=0)).max(axis=0)
        best = irs.robustness(codes, factors, largest, quantile).max(axis=1)
        return {"avg_score": np.average(best, weights=largest)}

    swaps = {
        (lib.utils, "_histogram_discretize"): lambda target, num_bins: information.discretised(target.T, num_bins).T,
        (lib.utils, "discrete_mutual_info"): lambda codes, factors: information.mutual_information(codes.T, factors.T),
        (lib.utils, "discrete_entropy"): lambda factors: information.entropies(factors.T),
        (lib.mig, "_compute_mig"): compute_mig,
        (lib.dci, "compute_importance_gbt"): importances,
        (lib.dci, "disentanglement"): dci.disentanglement,
        (lib.dci, "completeness"): dci.completeness,
        (lib.sap, "compute_score_matrix"): scores,
        (lib.factor_vae, "compute_factor_vae"): compute_factor_vae,
        (lib.beta_vae, "compute_beta_vae_sklearn"): compute_beta_vae,
        (lib.modexp, "modularity"): modularity.modularity,
        (lib.modexp, "explicitness_per_factor"): lambda x, y, tx, ty: explicitness.areas_of(x.T, y, tx.T, ty),
        (lib.irs, "scalable_disentanglement_score"): robustness,
        (lib.unsupervised, "gaussian_total_correlation"): unsupervised.total_correlation,
        (lib.unsupervised, "gaussian_wasserstein_correlation"): unsupervised.wasserstein_correlation,
    }
    for (module, name), function in swaps.items():
        assert callable(getattr(module, name))
        monkeypatch.setattr(module, name, function)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_librarys_own_44_tests_pass_with_our_functions(library) -> None:
    count, problems = 0, []
    for name in MODULES:
        module = importlib.import_module(f"disentanglement_lib.evaluation.metrics.{name}")
        suite = unittest.defaultTestLoader.loadTestsFromModule(module)
        result = unittest.TestResult()
        suite.run(result)
        count += result.testsRun
        problems += [f"{test}: {text.splitlines()[-1]}" for test, text in (*result.failures, *result.errors)]
    assert problems == []
    assert count == 44
