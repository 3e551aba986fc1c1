# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Disentanglement, completeness, informativeness (Eastwood and Williams 2018), as in disentanglement_lib.

Gradient-boosted trees predict each factor from all latents; R[l, k] is the importance of latent l for factor k. A latent
disentangles when it matters for one factor, a factor is completely held when one latent matters for it; both are 1 minus an
entropy, weighted by importance. Informativeness is the trees' accuracy.

disentanglement_lib fits factor after factor with numpy's global generator. So does this, trees side by side: the same
numbers, bit for bit.
"""

from typing import cast

import numpy as np

from perturb.config.metrics import DCIConfig
from perturb.metrics.coded import Coded
from perturb.metrics.metric import Scores

SMALLEST_IMPORTANCE = 1e-11
Sample = tuple[np.ndarray, np.ndarray]


def compute_dci(coded: Coded, settings: DCIConfig, rng: np.random.Generator) -> Scores:
    """`dci_disentanglement`, `dci_completeness`, `dci_informativeness` (test) and `…_train` in [0, 1], higher is better.

    Raises:
        UserError: fewer than two latents or factors: an entropy over one thing has no unit.

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
    """R ≥ 0, float64 (latents, factors), columns of sum 1 (or 0), and the mean accuracies on both samples.

    The same as disentanglement_lib's with numpy's global generator seeded so.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    from perturb.metrics.boosting import fit_each

    def read_out(k: int, model: GradientBoostingClassifier) -> tuple[np.ndarray, float, float]:
        """Importances of the latents for factor k, and accuracies."""
        in_train, in_test = (float((cast(np.ndarray, model.predict(x)) == y[:, k]).mean()) for x, y in (train, test))
        return np.abs(model.feature_importances_), in_train, in_test

    found = fit_each(train[0], list(train[1].T), read_out, trees=trees, seed=seed)
    columns, in_train, in_test = zip(*found, strict=True)
    return np.stack(columns, axis=1), float(np.mean(in_train)), float(np.mean(in_test))


def disentanglement(importance: np.ndarray) -> float:
    """1 − entropy of each latent's importances over factors, weighted by how important the latent is."""
    return float(np.sum((1.0 - _entropies(importance)) * _weights(importance, axis=1)))


def completeness(importance: np.ndarray) -> float:
    """1 − entropy of each factor's importances over latents, weighted by the factor's total."""
    return float(np.sum((1.0 - _entropies(importance.T)) * _weights(importance, axis=0)))


def _entropies(rows: np.ndarray) -> np.ndarray:
    """Entropy of each row after normalising it, in units of the largest possible one."""
    from scipy.stats import entropy

    return np.asarray(entropy(rows.T + SMALLEST_IMPORTANCE, base=rows.shape[1]))


def _weights(importance: np.ndarray, *, axis: int) -> np.ndarray:
    """Shares of the total along the other axis; even ones when nothing is important."""
    if importance.sum() == 0:
        importance = np.ones_like(importance)
    return importance.sum(axis=axis) / importance.sum()
