# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""scikit-learn's gradient boosting, with the trees of a stage and two models in parallel; bit-identical results.

A stage has one tree per class, and each tree is grown on its own column of the gradient, which is computed before any tree.
The trees depend on each other only through the random generator, from which each draws one number. scikit-learn has no
setting for this, so we override one private method, which is the same in versions 1.6 to 1.9. With a newer scikit-learn the
class is used as it is, which takes about twice as long. Cores that would idle at the end of a stage work on another model's
trees: the number of draws per model is known in advance, and so is the generator state at which the next model starts.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numpy as np
import sklearn
from joblib import effective_n_jobs
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.tree import DecisionTreeRegressor

NEWEST_KNOWN = 1, 9
"""The newest scikit-learn version whose private method has been compared with ours."""
LARGEST_SEED = 0x7FFFFFFF
"""Each tree draws one number below this."""

CRITERIA = {"deprecated": "squared_error"}
"""Since 1.9 the criterion is fixed. Before, trees were split by friedman_mse, which gave slightly different models."""


MODELS_AT_ONCE = 2
CHUNKS = 2
"""Chunks of a stage per thread. Smaller chunks balance the load better but cost more to dispatch."""
Found = TypeVar("Found")


def fit_each(
    codes: np.ndarray,
    targets: Sequence[np.ndarray],
    use: Callable[[int, GradientBoostingClassifier], Found],
    *,
    trees: int,
    seed: int,
) -> list[Found]:
    """Fit a model to each target and pass it to `use`, on as many threads as joblib is configured for.

    Args:
        codes: Codes, (n, latents).
        targets: Class labels of each target, (n,).
        use: Called with a target's index and its model; may run in several threads at once.
        trees: Number of boosting stages.
        seed: Seed of NumPy's legacy generator, which scikit-learn would pass from one model to the next.

    Returns:
        The results of `use`, in the order of the targets.

    """
    generator, threads = np.random.RandomState(seed), cast(int, effective_n_jobs())
    generators = [_split_off(generator, trees * _columns(classes)) for classes in targets]

    def fit(number: int) -> Found:
        if is_known(sklearn.__version__):
            model = Boosting(trees, generators[number], pool, threads)
        else:
            model = GradientBoostingClassifier(n_estimators=trees, random_state=generators[number])
        return use(number, model.fit(codes, targets[number]))

    with ThreadPoolExecutor(threads) as pool, ThreadPoolExecutor(min(MODELS_AT_ONCE, threads)) as models:
        return list(models.map(fit, range(len(targets))))


def is_known(version: str) -> bool:
    """Return whether `Boosting` may override the private method of this scikit-learn version, `major.minor…`."""
    major, minor = version.split(".")[:2]
    return (int(major), int(minor)) <= NEWEST_KNOWN


def _columns(classes: np.ndarray) -> int:
    """Return the number of trees in a stage."""
    count = len(np.unique(classes))
    return 1 if count == 2 else count


class Boosting(GradientBoostingClassifier):
    """A GradientBoostingClassifier with two settings, whose trees are grown in chunks on a thread pool."""

    _loss: Any
    max_depth: int
    learning_rate: float

    def __init__(self, n_estimators: int, random_state: np.random.RandomState, pool: Executor, threads: int) -> None:
        super().__init__(n_estimators=n_estimators, random_state=random_state)
        self.pool, self.threads = pool, threads

    def _fit_stage(
        self, i: int, X: np.ndarray, y: np.ndarray, raw_predictions: np.ndarray, sample_weight: np.ndarray,
        sample_mask: np.ndarray, random_state: np.random.RandomState, X_csc: None = None, X_csr: None = None,
    ) -> np.ndarray:  # fmt: skip
        """Add a tree for every class to the predictions (n, classes), or a single tree if there are two classes."""
        from sklearn.ensemble import _gb  # private: other versions may lack this

        update = cast(Callable[..., None], _gb._update_terminal_regions)  # pyright: ignore[reportPrivateUsage]
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
                update(
                    self._loss, tree.tree_, X, target, columns[:, k], raw_predictions, sample_weight, sample_mask,
                    learning_rate=self.learning_rate, k=k,
                )  # fmt: skip
                self.estimators_[i, k] = tree

        chunks = min(CHUNKS * self.threads, count)
        list(self.pool.map(grow, (range(first, count, chunks) for first in range(chunks))))
        return raw_predictions


def _split_off(generator: np.random.RandomState, draws: int = 1) -> np.random.RandomState:
    """Return a copy of a generator for one tree or model, and advance the generator itself past that many draws."""
    copy = np.random.RandomState()
    copy.set_state(generator.get_state())
    for _ in range(draws):
        generator.randint(0, LARGEST_SEED)
    return copy
