# pyright: reportMissingTypeStubs=false
"""The thesis's Disentanglement Score (section 3.3, equations 3.32 to 3.37): MIG's gap with predictions for information.

Each latent alone predicts each factor by its nearest neighbours. For a factor with an order, sensitivity is the standard
deviation of its class numbers minus the root mean squared error, over the former, and 0 for a latent that is worse than
nothing. For a factor without one it is the accuracy, over that of the best constant answer: the thesis says that the
quotients lie in (0, 1), but by its formula a gap of accuracies may exceed the constant's, and so may this score exceed 1.
Which factors have no order is a setting.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from perturb.config.metrics import DisentanglementScoreConfig
from perturb.errors import UserError
from perturb.metrics.coded import Coded, gap_to_runner_up
from perturb.metrics.metric import Scores

Sample = tuple[np.ndarray, np.ndarray]


def compute_disentanglement_score(coded: Coded, settings: DisentanglementScoreConfig, rng: np.random.Generator) -> Scores:
    """`ds` ≥ 0, higher is better; at most 1 when every factor has an order.

    Raises:
        UserError: fewer than two latents, fewer training rows than neighbours, or an unordered factor that is not there.

    """
    coded.require("DS", latents=2)
    if max(settings.unordered, default=0) >= coded.num_factors:
        raise UserError(f"unordered must name columns below {coded.num_factors}, got {list(settings.unordered)}.")
    train, test = coded.sample(settings, rng)
    if len(train[0]) < settings.neighbours:
        raise UserError(f"num_train must be at least the {settings.neighbours} neighbours, got {len(train[0])}.")
    unordered = np.isin(np.arange(coded.num_factors), settings.unordered)
    gains = np.where(
        unordered,
        relative_accuracies(train, test, settings.neighbours),
        explained_deviations(train, test, settings.neighbours),
    )
    return {"ds": float(gap_to_runner_up(gains).mean())}


def continuous_score(
    codes: Float[np.ndarray, "n latents"], factors: Float[np.ndarray, "n factors"], rng: np.random.Generator
) -> float:
    """Return the DS of factors that take any value, in [0, 1], with the thesis's five neighbours.

    Four fifths of the rows, drawn at random, are neighbours, and the others are predicted.

    Args:
        codes: two latents or more.
        factors: two or more that vary.
        rng: draws the rows.

    """
    order = rng.permutation(len(codes))
    train, test = ((codes[rows], factors[rows]) for rows in np.split(order, [len(codes) * 4 // 5]))
    return float(gap_to_runner_up(explained_deviations(train, test, DisentanglementScoreConfig().neighbours)).mean())


def explained_deviations(train: Sample, test: Sample, neighbours: int) -> np.ndarray:
    """1 − root mean squared error over standard deviation on the test rows, in [0, 1], float64 (latents, factors)."""
    from sklearn.neighbors import KNeighborsRegressor

    std = np.maximum(test[1].std(axis=0), 1e-12)
    answers = _answers(KNeighborsRegressor(neighbours), train, test)
    return np.maximum(0.0, 1 - np.sqrt(np.square(answers - test[1]).mean(axis=1)) / std)


def relative_accuracies(train: Sample, test: Sample, neighbours: int) -> np.ndarray:
    """Test accuracy over that of the most frequent training value, ≥ 0, float64 (latents, factors)."""
    from sklearn.neighbors import KNeighborsClassifier

    most = np.array([np.bincount(column).argmax() for column in train[1].T])
    constant = np.maximum((test[1] == most).mean(axis=0), 1 / len(test[1]))
    answers = _answers(KNeighborsClassifier(neighbours), train, test)
    return (answers == test[1]).mean(axis=1) / constant


def _answers(model: Any, train: Sample, test: Sample) -> np.ndarray:  # noqa: ANN401
    """Return each factor as each latent alone predicts it, (latents, test rows, factors), from shared neighbours."""
    labels = train[1] if train[1].shape[1] > 1 else train[1][:, 0]
    columns = zip(train[0].T, test[0].T, strict=True)
    found = [model.fit(x_train[:, None], labels).predict(x_test[:, None]) for x_train, x_test in columns]
    return np.stack(found).reshape(len(found), *test[1].shape)
