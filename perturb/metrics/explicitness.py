# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Explicitness (Ridgeway and Mozer 2018), as in disentanglement_lib: can factors be read linearly off the whole code?"""

from typing import cast

import numpy as np

from perturb.config.metrics import TrainTestConfig
from perturb.errors import UserError
from perturb.metrics.coded import Coded, nonconstant
from perturb.metrics.metric import Scores


def compute_explicitness(coded: Coded, settings: TrainTestConfig, rng: np.random.Generator) -> Scores:
    """Return `explicitness_test` and `explicitness_train` in [0, 1], higher is better: mean areas under ROC curves.

    The classifier is a logistic regression on codes standardised with the statistics of the training rows. Constant latents
    are left out; disentanglement_lib divides by 0 for these.

    Raises:
        UserError: If a factor's value is missing in one of the two samples.

    """
    train, test = coded.sample(settings, rng)
    mean, std = train[0].mean(axis=0), train[0].std(axis=0)
    kept = nonconstant(train[0])
    x_train, x_test = ((codes[:, kept] - mean[kept]) / std[kept] for codes, _ in (train, test))
    if not kept.any():
        return {"explicitness_test": 0.5, "explicitness_train": 0.5}
    areas = [areas_of(x_train, y_train, x_test, y_test) for y_train, y_test in zip(train[1].T, test[1].T, strict=True)]
    in_train, in_test = np.mean(areas, axis=0)
    return {"explicitness_test": float(in_test), "explicitness_train": float(in_train)}


def areas_of(x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> tuple[float, float]:
    """Return the areas under the one-vs-rest ROC curves of one factor, averaged over its values: (train, test)."""
    from sklearn import metrics
    from sklearn.linear_model import LogisticRegression

    values = np.unique(y_train)
    if not np.array_equal(values, np.unique(y_test)):
        raise UserError(
            "explicitness needs every value of a factor in both samples; give more rows, or raise num_train and num_test."
        )
    model = LogisticRegression()
    model.fit(x_train, y_train)
    of_train, of_test = (
        float(cast(float, metrics.roc_auc_score(y[:, None] == values, model.predict_proba(x))))
        for x, y in ((x_train, y_train), (x_test, y_test))
    )
    return of_train, of_test
