"""Our metrics equal disentanglement_lib's: the live library's where it is installed, and its stored numbers."""

import json
import warnings

import numpy as np
import oracle
import pytest
from metric_cases import CASES, TRAIN

from perturb.config.metrics import (
    BinnedConfig,
    DCIConfig,
    IRSConfig,
    MetricsConfig,
    SAPConfig,
    TrainTestConfig,
)
from perturb.metrics import METRICS, Coded, Scores
from perturb.metrics import dci as our_dci
from perturb.metrics.sap import compute_sap

TEST = TRAIN // 2
SETTINGS = MetricsConfig(
    mig=BinnedConfig(num_train=TRAIN),
    sap=SAPConfig(num_train=TRAIN, num_test=TEST, protocol="library"),
    modularity=BinnedConfig(num_train=TRAIN),
    explicitness=TrainTestConfig(num_train=TRAIN, num_test=TEST, protocol="library"),
    irs=IRSConfig(num_train=TRAIN),
    unsupervised=BinnedConfig(num_train=TRAIN),
    factor_vae=oracle.VOTES,
    beta_vae=oracle.PAIRS,
    dci=DCIConfig(num_train=oracle.DCI_ROWS, num_test=oracle.DCI_ROWS // 2, trees=oracle.TREES),
)
OF_ONE_SAMPLE = {"mig", "modularity", "irs", "unsupervised"}
ON_FILE = json.loads(oracle.FIXTURE.read_text(encoding="utf-8"))
PAIRS = [(metric, case) for metric in oracle.ORACLES for case in oracle.cases_of(metric)]


def _ours(metric: str, case: str) -> Scores:
    coded = CASES[case]
    if metric == "dci":
        codes, factors, codes_test, factors_test = (array.T for array in oracle.halves(coded, oracle.DCI_ROWS))
        matrix, in_train, in_test = our_dci.importances(
            (codes, factors), (codes_test, factors_test), trees=oracle.TREES, seed=oracle.SEED
        )  # fmt: skip
        return {
            "dci_disentanglement": our_dci.disentanglement(matrix),
            "dci_completeness": our_dci.completeness(matrix),
            "dci_informativeness": in_test,
            "dci_informativeness_train": in_train,
        }
    if metric in OF_ONE_SAMPLE:
        coded = Coded(coded.codes[:TRAIN], coded.factors[:TRAIN])
    found = METRICS[metric].compute(coded, getattr(SETTINGS, metric), np.random.default_rng(oracle.SEED))
    if metric == "sap":
        continuous = SETTINGS.sap.model_copy(update={"continuous": True})
        found |= {"sap_continuous": compute_sap(coded, continuous, np.random.default_rng(0))["sap"]}
    return found


@pytest.fixture(scope="module")
def library():
    pytest.importorskip("disentanglement_lib")
    with warnings.catch_warnings(action="ignore"):
        yield oracle.library()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("metric", "case"), [pytest.param(*pair, marks=[pytest.mark.slow] if pair[0] == "dci" else []) for pair in PAIRS]
)
def test_our_metric_equals_the_live_librarys(library, metric: str, case: str) -> None:
    expected, found = oracle.ORACLES[metric](library, CASES[case]), _ours(metric, case)
    for name, value in expected.items():
        if metric == "dci":
            assert found[name] == value
        else:
            assert found[name] == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize(("metric", "case"), [pair for pair in PAIRS if pair[0] != "dci"])
def test_our_metric_equals_the_stored_numbers_of_the_library(metric: str, case: str) -> None:
    found = _ours(metric, case)
    for name, value in ON_FILE[metric][case].items():
        # The result of an optimiser varies with the processor.
        assert found[name] == pytest.approx(value, abs=2e-3 if metric in ("beta_vae", "explicitness", "sap") else 1e-9), name


def test_dci_equals_the_stored_numbers_of_the_library() -> None:
    found = _ours("dci", "noisy")
    assert found == pytest.approx(ON_FILE["dci"]["noisy"], abs=1e-6)


def test_every_metric_of_the_library_has_a_reference_implementation() -> None:
    assert set(oracle.ORACLES) == {name for name, metric in METRICS.items() if metric.in_library}
    assert set(ON_FILE) == set(oracle.ORACLES)
