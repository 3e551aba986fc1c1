# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Disentanglement, completeness, informativeness (Eastwood and Williams 2018), as in disentanglement_lib.

Gradient-boosted trees predict each factor from all latents, and R[l, k] is the importance of latent l for factor k. A latent
is disentangled if it matters for one factor only, and a factor is captured completely if only one latent matters for it.
Both scores are 1 minus an entropy, weighted by importance. Informativeness is the trees' accuracy.

disentanglement_lib fits one factor after another with NumPy's global generator. Here trees are fitted in parallel, with
bit-identical results.
"""

from typing import cast

import numpy as np

from perturb.config.metrics import DCIConfig
from perturb.metrics.coded import Coded
from perturb.metrics.metric import Scores

SMALLEST_IMPORTANCE = 1e-11
Sample = tuple[np.ndarray, np.ndarray]


def compute_dci(coded: Coded, settings: DCIConfig, rng: np.random.Generator) -> Scores:
    """Return `dci_disentanglement`, `dci_completeness`, `dci_informativeness` (test) and `…_train`, all in [0, 1].

    Higher is better.

    Raises:
        UserError: If there are fewer than two latents or factors, so that an entropy cannot be normalised.

    """
    coded.require("DCI", latents=2, factors=2)
    train, test = coded.sample(settings, rng)
    matrix, in_train, in_test = importances(train, test, trees=settings.trees, seed=int(rng.spawn(1)[0].integers(2**31)))
    return {
        "dci_disentanglement": disentanglement(matrix),
        "dci_completeness": completeness(matrix),
        "dci_informativeness": in_test,
        "dci_informativeness_train": in_train,
    }


def importances(train: Sample, test: Sample, *, trees: int, seed: int) -> tuple[np.ndarray, float, float]:
    """Return R ≥ 0, float64 (latents, factors), whose columns sum to 1 (or 0), and the mean accuracies on both samples.

    The results equal disentanglement_lib's with NumPy's global generator seeded by `seed`.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    from perturb.metrics.boosting import fit_each

    def read_out(k: int, model: GradientBoostingClassifier) -> tuple[np.ndarray, float, float]:
        """Return the importances of the latents for factor k, and the accuracies."""
        in_train, in_test = (float((cast(np.ndarray, model.predict(x)) == y[:, k]).mean()) for x, y in (train, test))
        return np.abs(model.feature_importances_), in_train, in_test

    found = fit_each(train[0], list(train[1].T), read_out, trees=trees, seed=seed)
    columns, in_train, in_test = zip(*found, strict=True)
    return np.stack(columns, axis=1), float(np.mean(in_train)), float(np.mean(in_test))


def disentanglement(importance: np.ndarray) -> float:
    """Return 1 − the entropy of each latent's importances over factors, averaged with the latents' total importance."""
    return float(np.sum((1.0 - _entropies(importance)) * _weights(importance, axis=1)))


def completeness(importance: np.ndarray) -> float:
    """Return 1 − the entropy of each factor's importances over latents, averaged with the factors' total importance."""
    return float(np.sum((1.0 - _entropies(importance.T)) * _weights(importance, axis=0)))


def _entropies(rows: np.ndarray) -> np.ndarray:
    """Return the entropy of each normalised row, relative to the largest possible entropy."""
    from scipy.stats import entropy

    return np.asarray(entropy(rows.T + SMALLEST_IMPORTANCE, base=rows.shape[1]))


def _weights(importance: np.ndarray, *, axis: int) -> np.ndarray:
    """Return sums along an axis as shares of the total; equal shares if nothing is important."""
    if importance.sum() == 0:
        importance = np.ones_like(importance)
    return importance.sum(axis=axis) / importance.sum()
