"""Unmodified disentanglement_lib 1.5 on our cases; `python tests/helpers/oracle.py` writes its numbers to a file.

A replacement for gin.tf avoids TensorFlow, which the metrics never call. Where the library draws images, it gets the rows
that we drew, so that both see the same ones.
"""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from metric_cases import CASES, TRAIN

from perturb.config.metrics import BetaVAEScoreConfig, FactorVAEScoreConfig
from perturb.metrics import Coded
from perturb.metrics.beta_vae import draw_pairs
from perturb.metrics.factor_vae import draw_batches

FIXTURE = Path(__file__).parent.parent / "metrics" / "oracle.json"
VOTES = FactorVAEScoreConfig(num_variance=TRAIN, num_train=400, num_test=300, batch_size=16)
PAIRS = BetaVAEScoreConfig(num_train=300, num_test=200, batch_size=16)
SEED, TREES = 11, 100
DCI_CASES = "noisy", "mixed", "duplicated", "with a constant", "entangled model"
DCI_ROWS = 600
"""Fewer cases and rows, because gradient boosting is slow."""


def library() -> SimpleNamespace:
    """The library's metric modules."""
    import gin

    sys.modules["gin.tf"] = gin
    gin.tf = gin
    from disentanglement_lib.evaluation.metrics import (
        beta_vae,
        dci,
        factor_vae,
        irs,
        mig,
        modularity_explicitness,
        sap_score,
        unsupervised_metrics,
        utils,
    )

    with gin.unlock_config():
        gin.bind_parameter("discretizer.discretizer_fn", utils._histogram_discretize)
        gin.bind_parameter("discretizer.num_bins", 20)
        gin.bind_parameter("prune_dims.threshold", VOTES.min_std)
    return SimpleNamespace(
        beta_vae=beta_vae, dci=dci, factor_vae=factor_vae, irs=irs, mig=mig, modexp=modularity_explicitness, sap=sap_score,
        unsupervised=unsupervised_metrics, utils=utils,
    )  # fmt: skip


def halves(coded: Coded, train: int = TRAIN) -> tuple[np.ndarray, ...]:
    """Transposed codes and factors of the training rows, then those of the test rows."""
    rest = slice(train, train + train // 2)
    return coded.codes[:train].T, coded.factors[:train].T, coded.codes[rest].T, coded.factors[rest].T


class Replay:
    """Acts as ground truth and random generator: returns batches drawn beforehand, with row numbers as images."""

    def __init__(self, coded: Coded, fixed: np.ndarray, *batches: np.ndarray) -> None:
        self.coded, self.num_factors = coded, coded.num_factors
        self._fixed = iter(fixed)
        self._drawn = iter([rows for step in zip(*batches, strict=True) for rows in step])
        self._asked: list[np.ndarray] = []

    def randint(self, bound: int) -> int:
        """Return the fixed factor of the next batch."""
        assert bound == self.num_factors
        return next(self._fixed)

    def sample_factors(self, count: int, generator: Any) -> np.ndarray:
        """Return the factors of the next batch."""
        rows = next(self._drawn)
        assert len(rows) == count
        self._asked.append(rows)
        return self.coded.factors[rows]

    def sample_observations_from_factors(self, factors: np.ndarray, generator: Any) -> np.ndarray:
        """Return the rows of that batch after checking that they have these factors."""
        rows = self._asked.pop(0)
        assert np.array_equal(self.coded.factors[rows], factors)
        return rows

    def codes_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the codes of rows, as the representation function."""
        return self.coded.codes[rows]


def mig(lib: SimpleNamespace, coded: Coded) -> dict[str, float]:
    return {"mig": lib.mig._compute_mig(*halves(coded)[:2])["discrete_mig"]}


def sap(lib: SimpleNamespace, coded: Coded) -> dict[str, float]:
    return {
        "sap": lib.sap._compute_sap(*halves(coded), False)["SAP_score"],
        "sap_continuous": lib.sap._compute_sap(*halves(coded), True)["SAP_score"],
    }


def modularity(lib: SimpleNamespace, coded: Coded) -> dict[str, float]:
    codes, factors = halves(coded)[:2]
    return {"modularity": lib.modexp.modularity(lib.utils.discrete_mutual_info(lib.utils.make_discretizer(codes), factors))}


def explicitness(lib: SimpleNamespace, coded: Coded) -> dict[str, float]:
    codes, factors, codes_test, factors_test = halves(coded)
    codes, mean, std = lib.utils.normalize_data(codes)
    codes_test, _, _ = lib.utils.normalize_data(codes_test, mean, std)
    pairs = zip(factors, factors_test, strict=True)
    areas = [lib.modexp.explicitness_per_factor(codes, train, codes_test, test) for train, test in pairs]
    return dict(zip(("explicitness_train", "explicitness_test"), np.mean(areas, axis=0), strict=True))


def irs(lib: SimpleNamespace, coded: Coded) -> dict[str, float]:
    codes, factors = halves(coded)[:2]
    active = lib.irs._drop_constant_dims(codes)
    bins = lib.utils.make_discretizer(factors.astype(float))
    found = lib.irs.scalable_disentanglement_score(bins.T, active.T)["avg_score"] if active.any() else 0.0
    return {"irs": found, "irs_code_sum": np.sum(active)}


def unsupervised(lib: SimpleNamespace, coded: Coded) -> dict[str, float]:
    codes = halves(coded)[0]
    covariance, bins = np.cov(codes), lib.utils.make_discretizer(codes)
    information = lib.utils.discrete_mutual_info(bins, bins)
    np.fill_diagonal(information, 0)
    distance = lib.unsupervised.gaussian_wasserstein_correlation(covariance)
    return {
        "gaussian_total_correlation": lib.unsupervised.gaussian_total_correlation(covariance),
        "gaussian_wasserstein_correlation": np.real(distance),
        "gaussian_wasserstein_correlation_norm": np.real(distance) / np.trace(covariance),
        "mutual_information": information.sum() / (len(codes) ** 2 - len(codes)),
    }


def factor_vae(lib: SimpleNamespace, coded: Coded) -> dict[str, float]:
    rng = np.random.default_rng(SEED)
    variances = np.var(coded.codes[rng.integers(len(coded), size=VOTES.num_variance)], axis=0, ddof=1)
    active = lib.factor_vae._prune_dims(variances)
    if not active.any():
        return {"factor_vae": 0.0, "factor_vae_train": 0.0}
    tables = []
    for count in (VOTES.num_train, VOTES.num_test):
        replay = Replay(coded, *draw_batches(coded, count, VOTES.batch_size, rng))
        tables.append(
            lib.factor_vae._generate_training_batch(
                replay, replay.codes_of, VOTES.batch_size, count, replay, variances, active
            )
        )  # fmt: skip
    classes, latents = np.argmax(tables[0], axis=0), np.arange(coded.latents)
    train, test = (table[classes, latents].sum() / table.sum() for table in tables)
    return {"factor_vae": test, "factor_vae_train": train}


def beta_vae(lib: SimpleNamespace, coded: Coded) -> dict[str, float]:
    from sklearn.linear_model import LogisticRegression

    rng, samples = np.random.default_rng(SEED), []
    for count in (PAIRS.num_train, PAIRS.num_test):
        replay = Replay(coded, *draw_pairs(coded, count, PAIRS.batch_size, rng))
        samples.append(lib.beta_vae._generate_training_batch(replay, replay.codes_of, PAIRS.batch_size, count, replay))
    model = LogisticRegression(random_state=0).fit(*samples[0])
    return {"beta_vae": model.score(*samples[1]), "beta_vae_train": model.score(*samples[0])}


def dci(lib: SimpleNamespace, coded: Coded) -> dict[str, float]:
    np.random.seed(SEED)
    found = lib.dci._compute_dci(*halves(coded, DCI_ROWS))
    return {
        "dci_disentanglement": found["disentanglement"],
        "dci_completeness": found["completeness"],
        "dci_informativeness": found["informativeness_test"],
        "dci_informativeness_train": found["informativeness_train"],
    }


ORACLES: dict[str, Callable[[SimpleNamespace, Coded], dict[str, float]]] = {
    "mig": mig, "sap": sap, "modularity": modularity, "explicitness": explicitness, "irs": irs, "unsupervised": unsupervised,
    "factor_vae": factor_vae, "beta_vae": beta_vae, "dci": dci,
}  # fmt: skip
UNDEFINED = {
    ("mig", "one latent"), ("sap", "one latent"),
    ("explicitness", "with a constant"), ("explicitness", "all constant"),
    ("unsupervised", "with a constant"), ("unsupervised", "all constant"), ("unsupervised", "one latent"),
    ("unsupervised", "duplicated"), ("factor_vae", "duplicated"),
}  # fmt: skip
"""Cases in which the library raises, divides by 0 or returns noise. With duplicates, rounding decides which latent votes."""


def cases_of(metric: str) -> list[str]:
    """Cases on which the library's metric is defined."""
    names = DCI_CASES if metric == "dci" else CASES
    return [name for name in names if (metric, name) not in UNDEFINED]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    lib = library()
    numbers = {
        metric: {
            name: {key: float(value) for key, value in oracle(lib, CASES[name]).items()} for name in cases_of(metric)
        }
        for metric, oracle in ORACLES.items()
    }  # fmt: skip
    FIXTURE.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
