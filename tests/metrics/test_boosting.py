"""Fitting trees and models in parallel gives the same models as scikit-learn."""

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.ensemble import GradientBoostingClassifier

from perturb.metrics.boosting import Boosting, fit_each, is_known

TREES = 12


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("classes", [(2,), (3,), (7,), (7, 2, 3, 5), (2, 2, 9)], ids=str)
def test_boosting_equals_scikit_learn_bit_for_bit(classes: tuple[int, ...], threads: int) -> None:
    rng = np.random.default_rng(sum(classes))
    targets = [rng.integers(0, count, 300) for count in classes]
    codes = np.stack([targets[0] + rng.normal(size=300), rng.normal(size=300), np.zeros(300)], axis=1).astype(np.float32)
    generator = np.random.RandomState(3)
    expected = [GradientBoostingClassifier(n_estimators=TREES, random_state=generator).fit(codes, t) for t in targets]

    def numbers(k: int, model: Boosting) -> tuple[int, np.ndarray, np.ndarray]:
        return k, model.decision_function(codes), model.feature_importances_

    with parallel_config("threading", n_jobs=threads):
        found = fit_each(codes, targets, numbers, trees=TREES, seed=3)
    assert [k for k, _, _ in found] == list(range(len(classes)))
    for (_, decisions, importances), theirs in zip(found, expected, strict=True):
        assert np.array_equal(decisions, theirs.decision_function(codes))
        assert np.array_equal(importances, theirs.feature_importances_)


def test_an_error_in_one_model_is_raised() -> None:
    targets = [np.array([0, 1, 2] * 20), np.zeros(60, dtype=int)]
    with pytest.raises(ValueError, match="1 class"):
        fit_each(np.ones((60, 2), dtype=np.float32), targets, lambda k, model: k, trees=2, seed=0)


def test_an_unknown_scikit_learn_version_uses_its_own_trees_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    targets = [rng.integers(0, count, 200) for count in (3, 2)]
    codes = rng.normal(size=(200, 3)).astype(np.float32)

    def decisions(_: int, model: GradientBoostingClassifier) -> tuple[type, np.ndarray]:
        return type(model), model.decision_function(codes)

    fast = fit_each(codes, targets, decisions, trees=TREES, seed=3)
    monkeypatch.setattr("sklearn.__version__", "1.10.dev0")
    plain = fit_each(codes, targets, decisions, trees=TREES, seed=3)
    assert {kind for kind, _ in fast} == {Boosting}
    assert {kind for kind, _ in plain} == {GradientBoostingClassifier}
    for (_, one), (_, other) in zip(fast, plain, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(("version", "known"), [("1.6.1", True), ("1.9.0", True), ("1.10.0", False), ("2.0", False)])
def test_versions_are_compared_numerically(version: str, known: bool) -> None:
    assert is_known(version) is known
