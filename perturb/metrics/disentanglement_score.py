# pyright: reportMissingTypeStubs=false
"""The thesis's Disentanglement Score (section 3.3, equations 3.32 to 3.37): MIG's gap, with predictions for information.

Each latent alone predicts each factor with nearest neighbours. For an ordered factor, sensitivity is
(standard deviation − root mean squared error) / standard deviation of its class numbers, clamped at 0. For an unordered
factor, it is the accuracy divided by that of the best constant prediction. The thesis says that these quotients lie in
(0, 1), but by its formula a gap between accuracies may exceed the constant's accuracy, so the score may exceed 1. The
unordered factors are a setting.
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
    """Return `ds` ≥ 0, higher is better; at most 1 if every factor is ordered.

    Raises:
        UserError: If there are fewer than two latents, fewer training rows than neighbours, or an unordered factor does not
            exist.

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
    """Return the DS for continuous factors, in [0, 1], with the thesis's five neighbours.

    A random four fifths of the rows serve as neighbours, and the others are predicted.

    Args:
        codes: Codes with at least two latents.
        factors: At least two factors that vary.
        rng: Generator that draws the rows.

    """
    order = rng.permutation(len(codes))
    train, test = ((codes[rows], factors[rows]) for rows in np.split(order, [len(codes) * 4 // 5]))
    return float(gap_to_runner_up(explained_deviations(train, test, DisentanglementScoreConfig().neighbours)).mean())


def explained_deviations(train: Sample, test: Sample, neighbours: int) -> np.ndarray:
    """Return 1 − RMSE / standard deviation on the test rows, clamped to [0, 1], float64 (latents, factors)."""
    from sklearn.neighbors import KNeighborsRegressor

    std = np.maximum(test[1].std(axis=0), 1e-12)
    answers = _answers(KNeighborsRegressor(neighbours), train, test)
    return np.maximum(0.0, 1 - np.sqrt(np.square(answers - test[1]).mean(axis=1)) / std)


def relative_accuracies(train: Sample, test: Sample, neighbours: int) -> np.ndarray:
    """Return the test accuracy over that of the most frequent training value, ≥ 0, float64 (latents, factors)."""
    from sklearn.neighbors import KNeighborsClassifier

    most = np.array([np.bincount(column).argmax() for column in train[1].T])
    constant = np.maximum((test[1] == most).mean(axis=0), 1 / len(test[1]))
    answers = _answers(KNeighborsClassifier(neighbours), train, test)
    return (answers == test[1]).mean(axis=1) / constant


def _answers(model: Any, train: Sample, test: Sample) -> np.ndarray:  # noqa: ANN401
    """Predict all factors from each latent alone, (latents, test rows, factors); the factors share the neighbours."""
    labels = train[1] if train[1].shape[1] > 1 else train[1][:, 0]
    columns = zip(train[0].T, test[0].T, strict=True)
    predictions = [model.fit(x_train[:, None], labels).predict(x_test[:, None]) for x_train, x_test in columns]
    return np.stack(predictions).reshape(len(predictions), *test[1].shape)
