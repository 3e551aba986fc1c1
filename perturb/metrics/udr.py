# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Unsupervised disentanglement ranking (Duan et al. 2020), as in disentanglement_lib: do models of one method agree?

No factors: models that disentangle find the same latents up to order and sign, others each find their own. So this metric
compares models, and is not in the table of metrics of one model.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from perturb.errors import UserError
from perturb.metrics.coded import standardised
from perturb.metrics.mcc import absolute_correlations

SMALLEST_KL = 0.01
"""KL in nats below which a latent says nothing."""
LASSO_ALPHA = 0.1


def compute_udr(
    codes: Sequence[np.ndarray], kl: Sequence[np.ndarray], *, correlation: Literal["lasso", "spearman"] = "lasso"
) -> np.ndarray:
    """Score of each model in [0, 1], higher is better, float64 (models,): the median of its agreement with the others.

    Args:
        codes: of each model, (n, latents), of the same images in the same order.
        kl: of each model, mean KL divergence of each latent from its prior in nats, (latents,).
        correlation: between the latents of two models: absolute Lasso coefficients, or absolute rank correlations.

    Raises:
        UserError: fewer than two models, or arrays that do not fit together.

    """
    shapes = {np.shape(array) for array in codes}
    if len(codes) < 2 or len(shapes) != 1 or len(kl) != len(codes):
        raise UserError(f"UDR needs codes of one shape, and KL divergences, of at least 2 models; got {sorted(shapes)}.")
    active = [np.asarray(values) > SMALLEST_KL for values in kl]
    scaled = [standardised(np.asarray(array)) * mask for array, mask in zip(codes, active, strict=True)]
    matrix = lasso_coefficients if correlation == "lasso" else rank_correlations
    models = range(len(codes))
    agreement = np.array([
        [0.0 if i == j else relative_strength(matrix(scaled[i], scaled[j])[active[i]][:, active[j]]) for j in models]
        for i in models
    ])  # fmt: skip
    return np.array([np.median(np.delete(agreement[:, model], model)) for model in models])


def relative_strength(matrix: np.ndarray) -> float:
    """Squared best entry of each row over the row's sum, mean over rows; the same over columns; the mean of both."""
    if matrix.size == 0:
        return 0.0
    means: list[float] = []
    for axis in (0, 1):
        best, total = matrix.max(axis=axis), matrix.sum(axis=axis)
        means.append(np.divide(best**2, total, out=np.zeros_like(best), where=total > 0).mean())
    return float(np.mean(means))


def lasso_coefficients(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Absolute coefficients of predicting the second model's latents by the first's: (latents of first, of second)."""
    from sklearn.linear_model import Lasso

    return np.abs(Lasso(alpha=LASSO_ALPHA).fit(first, second).coef_).T


def rank_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Absolute rank correlations: (latents of first, of second); 0 where one is constant."""
    return absolute_correlations(first, second, "spearman")
