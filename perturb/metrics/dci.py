"""Disentanglement, completeness, informativeness (Eastwood and Williams 2018), as in disentanglement_lib.

Gradient-boosted trees predict each factor from all latents; R[l, k] is the importance of latent l for factor k. A latent
disentangles when it matters for one factor, a factor is completely held when one latent matters for it; both are 1 minus an
entropy, weighted by importance. Informativeness is the trees' accuracy.

disentanglement_lib fits factor after factor with numpy's global generator. Here factors are fitted side by side, each from
where the generator would have been: the same numbers, bit for bit.
"""

import numpy as np
from joblib import Parallel, delayed

from perturb.config.metrics import DCIConfig
from perturb.metrics.coded import Coded
from perturb.metrics.metric import Scores

SMALLEST_IMPORTANCE = 1e-11
LARGEST_SEED = 0x7FFFFFFF
"""scikit-learn draws a number below this for every tree."""

Sample = tuple[np.ndarray, np.ndarray]


def compute_dci(coded: Coded, settings: DCIConfig, rng: np.random.Generator) -> Scores:
    """`dci_disentanglement`, `dci_completeness`, `dci_informativeness` (test) and `…_train` in [0, 1], higher is better.

    Raises:
        UserError: fewer than two latents or factors: an entropy over one thing has no unit.

    """
    coded.need("DCI", latents=2, factors=2)
    train, test = coded.drawn([settings.num_train, settings.num_test], rng)
    matrix, in_train, in_test = importances(train, test, trees=settings.trees, seed=int(rng.spawn(1)[0].integers(2**31)))
    return {
        "dci_disentanglement": disentanglement(matrix),
        "dci_completeness": completeness(matrix),
        "dci_informativeness": in_test,
        "dci_informativeness_train": in_train,
    }


def importances(train: Sample, test: Sample, *, trees: int, seed: int) -> tuple[np.ndarray, float, float]:
    """R ≥ 0, float64 (latents, factors), columns of sum 1 (or 0), and the mean accuracies on both samples.

    The same as disentanglement_lib's with numpy's global generator seeded so, factors side by side.
    """
    factors = train[1].T
    generators = _generators(factors, trees, seed)
    # The longest first: the time is proportional to the number of values.
    order = sorted(range(len(factors)), key=lambda k: -len(np.unique(factors[k])))
    jobs = (delayed(_fit)(train, test, k, trees, generators[k]) for k in order)
    found = dict(zip(order, Parallel()(jobs), strict=True))
    columns, in_train, in_test = zip(*(found[k] for k in range(len(factors))), strict=True)
    return np.stack(columns, axis=1), float(np.mean(in_train)), float(np.mean(in_test))


def _generators(factors: np.ndarray, trees: int, seed: int) -> list[np.random.RandomState]:
    """For each factor the generator as it is when those before it are done: a draw for each tree of each class."""
    running, found = np.random.RandomState(seed), []
    for factor in factors:
        copy = np.random.RandomState()
        copy.set_state(running.get_state())
        found.append(copy)
        classes = len(np.unique(factor))
        for _ in range(trees * (classes if classes > 2 else 1)):
            running.randint(0, LARGEST_SEED)
    return found


def _fit(
    train: Sample, test: Sample, factor: int, trees: int, generator: np.random.RandomState
) -> tuple[np.ndarray, float, float]:
    """Importances of the latents for one factor, and the accuracies."""
    from sklearn.ensemble import GradientBoostingClassifier

    (x_train, y_train), (x_test, y_test) = ((codes, factors[:, factor]) for codes, factors in (train, test))
    model = GradientBoostingClassifier(n_estimators=trees, random_state=generator).fit(x_train, y_train)
    accuracies = (np.mean(model.predict(x) == y) for x, y in ((x_train, y_train), (x_test, y_test)))
    return (np.abs(model.feature_importances_), *accuracies)


def disentanglement(importance: np.ndarray) -> float:
    """1 − entropy of each latent's importances over factors, weighted by how important the latent is."""
    return float(np.sum((1.0 - _entropies(importance)) * _weights(importance, axis=1)))


def completeness(importance: np.ndarray) -> float:
    """1 − entropy of each factor's importances over latents, weighted by the factor's total."""
    return float(np.sum((1.0 - _entropies(importance.T)) * _weights(importance, axis=0)))


def _entropies(rows: np.ndarray) -> np.ndarray:
    """Entropy of each row after normalising it, in units of the largest possible one."""
    from scipy.stats import entropy

    return entropy(rows.T + SMALLEST_IMPORTANCE, base=rows.shape[1])


def _weights(importance: np.ndarray, *, axis: int) -> np.ndarray:
    """Shares of the total along the other axis; even ones when nothing is important."""
    if importance.sum() == 0:
        importance = np.ones_like(importance)
    return importance.sum(axis=axis) / importance.sum()
