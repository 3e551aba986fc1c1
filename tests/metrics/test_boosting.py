"""Trees side by side make scikit-learn's own model."""

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.ensemble import GradientBoostingClassifier

from perturb.metrics.boosting import Boosting


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_equals_scikit_learns_to_the_bit(classes: int, threads: int) -> None:
    rng = np.random.default_rng(classes)
    known = rng.integers(0, classes, 300)
    codes = np.stack([known + rng.normal(size=300), rng.normal(size=300), np.zeros(300)], axis=1).astype(np.float32)
    ours, theirs = np.random.RandomState(3), np.random.RandomState(3)
    expected = GradientBoostingClassifier(n_estimators=12, random_state=theirs).fit(codes, known)
    with parallel_config("threading", n_jobs=threads):
        found = Boosting(n_estimators=12, random_state=ours).fit(codes, known)
    assert np.array_equal(found.decision_function(codes), expected.decision_function(codes))
    assert np.array_equal(found.feature_importances_, expected.feature_importances_)
    # What is fitted next begins where it would have begun.
    assert ours.randint(1000) == theirs.randint(1000)
