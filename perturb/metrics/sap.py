# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Separated attribute predictability (Kumar et al. 2018), as in disentanglement_lib."""

from typing import cast

import numpy as np

from perturb.config.metrics import SAPConfig
from perturb.metrics.coded import Coded, gap_to_runner_up
from perturb.metrics.metric import Scores

SMALLEST_VARIANCE = 1e-12
"""Variance of a latent below which its correlation counts as 0."""

Sample = tuple[np.ndarray, np.ndarray]


def compute_sap(coded: Coded, settings: SAPConfig, rng: np.random.Generator) -> Scores:
    """Return `sap` in [0, 1], higher is better: how well a factor's best latent predicts it, minus the second best.

    Raises:
        UserError: If there are fewer than two latents.

    """
    coded.require("SAP", latents=2)
    train, test = coded.sample(settings, rng)
    matrix = squared_correlations(*train) if settings.continuous else accuracies(train, test)
    return {"sap": float(gap_to_runner_up(matrix).mean())}


def accuracies(train: Sample, test: Sample) -> np.ndarray:
    """Return the test accuracies of linear support-vector machines on single latents, float64 (latents, factors).

    They use C = 0.01 and balanced classes. The fits run in parallel threads, since liblinear releases the GIL.
    """
    pairs = [(latent, factor) for latent in range(train[0].shape[1]) for factor in range(train[1].shape[1])]
    import joblib

    scores = cast(list[float], joblib.Parallel()(joblib.delayed(_accuracy)(train, test, *pair) for pair in pairs))
    return np.array(scores).reshape(train[0].shape[1], -1)


def _accuracy(train: Sample, test: Sample, latent: int, factor: int) -> float:
    from sklearn.svm import LinearSVC

    machine = LinearSVC(C=0.01, class_weight="balanced").fit(train[0][:, [latent]], train[1][:, factor])
    answers = cast(np.ndarray, machine.predict(test[0][:, [latent]]))
    return float((answers == test[1][:, factor]).mean())


def squared_correlations(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return the squared correlation of every latent and factor, float64 (latents, factors); 0 for a constant latent."""
    covariances = np.cov(codes.T, factors.T, ddof=1)
    latents = codes.shape[1]
    of_codes, of_factors = np.split(np.diag(covariances), [latents])
    varies = of_codes > SMALLEST_VARIANCE
    squares = np.square(covariances[:latents, latents:]) / of_factors
    return np.divide(squares, of_codes[:, None], out=np.zeros_like(squares), where=varies[:, None])
