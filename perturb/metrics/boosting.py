"""scikit-learn's gradient boosting, the trees of a stage grown side by side: the same model, bit for bit.

A stage has a tree for every class, and each is grown on its own column of the gradient, which is computed before any of
them: nothing but the generator's draw, one a tree, makes them wait for each other. scikit-learn has no setting for this, so
one method of its class, private and alike from 1.6 to 1.9, is replaced.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from joblib import effective_n_jobs
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.ensemble._gb import _update_terminal_regions
from sklearn.tree import DecisionTreeRegressor

LARGEST_SEED = 0x7FFFFFFF
"""A tree draws one number below this."""

CRITERIA = {"deprecated": "squared_error"}
"""Since 1.9 there is nothing to choose; before, trees split by friedman_mse, and models were slightly others."""


class Boosting(GradientBoostingClassifier):
    """A GradientBoostingClassifier with two settings, on as many threads as joblib is told."""

    def __init__(self, *, n_estimators: int, random_state: np.random.RandomState) -> None:
        super().__init__(n_estimators=n_estimators, random_state=random_state)

    def fit(self, codes: np.ndarray, classes: np.ndarray) -> "Boosting":
        """Of codes (n, latents) and classes (n,)."""
        self._threads = effective_n_jobs()
        with ThreadPoolExecutor(self._threads) as self._pool:
            return super().fit(codes, classes)

    def _fit_stage(
        self, i: int, X: np.ndarray, y: np.ndarray, raw_predictions: np.ndarray, sample_weight: np.ndarray,
        sample_mask: np.ndarray, random_state: np.random.RandomState, **_: None,
    ) -> np.ndarray:  # fmt: skip
        """Add a tree for every class to the predictions (n, classes), or one where there are two classes."""
        gradient = -self._loss.gradient(y_true=y, raw_prediction=raw_predictions, sample_weight=None)
        columns = gradient.reshape(len(gradient), -1)
        count = columns.shape[1]
        generators = [_split_off(random_state) for _ in range(count)]
        criterion = CRITERIA.get(self.criterion, self.criterion)

        def grow(classes: range) -> None:
            for k in classes:
                tree = DecisionTreeRegressor(criterion=criterion, max_depth=self.max_depth, random_state=generators[k])
                tree.fit(X, columns[:, k], sample_weight=sample_weight, check_input=False)
                target = (y == k).astype(np.float64) if self._loss.is_multiclass else y
                _update_terminal_regions(
                    self._loss, tree.tree_, X, target, columns[:, k], raw_predictions, sample_weight, sample_mask,
                    learning_rate=self.learning_rate, k=k,
                )  # fmt: skip
                self.estimators_[i, k] = tree

        list(self._pool.map(grow, (range(first, count, self._threads) for first in range(min(self._threads, count)))))
        return raw_predictions


def _split_off(generator: np.random.RandomState) -> np.random.RandomState:
    """A copy of a generator, for one tree; the generator itself goes on to the next."""
    copy = np.random.RandomState()
    copy.set_state(generator.get_state())
    generator.randint(0, LARGEST_SEED)
    return copy
