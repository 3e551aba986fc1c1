# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Unsupervised disentanglement ranking (Duan et al. 2020), as in disentanglement_lib: do models of one method agree?

UDR needs no factors: models that disentangle find the same latents up to order and sign, while others each find different
ones. The metric compares models, so it is not in the table of metrics for single models.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from perturb.errors import UserError
from perturb.metrics.coded import standardised
from perturb.metrics.mcc import absolute_correlations

SMALLEST_KL = 0.01
"""KL in nats up to which a latent counts as uninformative."""
LASSO_ALPHA = 0.1


def compute_udr(
    codes: Sequence[np.ndarray], kl: Sequence[np.ndarray], *, correlation: Literal["lasso", "spearman"] = "lasso"
) -> np.ndarray:
    """Return the score of each model in [0, 1], float64 (models,): the median of its agreement with the others.

    Higher is better.

    Args:
        codes: Codes of each model, (n, latents), for the same images in the same order.
        kl: For each model, the mean KL divergence of each latent from its prior in nats, (latents,).
        correlation: How to compare the latents of two models: by absolute Lasso coefficients or absolute rank correlations.

    Raises:
        UserError: If there are fewer than two models, or the arrays' shapes do not match.

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
    """Return each row's squared maximum over its sum, averaged over rows, likewise over columns, and averaged over both."""
    if matrix.size == 0:
        return 0.0
    means: list[float] = []
    for axis in (0, 1):
        best, total = matrix.max(axis=axis), matrix.sum(axis=axis)
        means.append(np.divide(best**2, total, out=np.zeros_like(best), where=total > 0).mean())
    return float(np.mean(means))


def lasso_coefficients(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return absolute Lasso coefficients for predicting the second model's latents from the first's.

    The shape is (latents of first, latents of second).
    """
    from sklearn.linear_model import Lasso

    return np.abs(Lasso(alpha=LASSO_ALPHA).fit(first, second).coef_).T


def rank_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return absolute rank correlations (latents of first, latents of second); 0 if one of the two is constant."""
    return absolute_correlations(first, second, "spearman")
