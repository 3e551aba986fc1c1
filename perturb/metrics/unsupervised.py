# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Scores of the codes alone, as in disentanglement_lib: how far are the latents from being independent?"""

import numpy as np

from perturb.config.metrics import BinnedConfig
from perturb.errors import UserError
from perturb.metrics.coded import Coded, nonconstant
from perturb.metrics.information import discretised, mutual_information
from perturb.metrics.metric import Scores


def compute_unsupervised(coded: Coded, settings: BinnedConfig, rng: np.random.Generator) -> Scores:
    """Return four scores, 0 for independent latents, lower is better; constant latents are left out.

    The scores are `gaussian_total_correlation` (nats), `gaussian_wasserstein_correlation` (squared distance), the same with
    `_norm` (divided by the total variance), and `mutual_information` (nats, averaged over pairs of latents). All are 0 if
    fewer than two latents vary. If latents are copies of each other, the total correlation is infinite, which is an error.

    Raises:
        UserError: If the covariance of the varying latents is singular.

    """
    ((codes, _),) = coded.sample(settings, rng)
    codes = codes[:, nonconstant(codes)]
    names = "gaussian_total_correlation", "gaussian_wasserstein_correlation"
    if codes.shape[1] < 2:
        return dict.fromkeys((*names, f"{names[1]}_norm", "mutual_information"), 0.0)
    covariance = np.cov(codes.T)
    correlation, distance = total_correlation(covariance), wasserstein_correlation(covariance)
    bins = discretised(codes, settings.num_bins)
    information = mutual_information(bins, bins)
    latents = len(information)
    return {
        names[0]: correlation,
        names[1]: distance,
        f"{names[1]}_norm": distance / float(np.trace(covariance)),
        "mutual_information": float((information.sum() - np.trace(information)) / (latents**2 - latents)),
    }


def total_correlation(covariance: np.ndarray) -> float:
    """Return the KL divergence in nats of a Gaussian from the product of its marginals; it does not depend on units."""
    deviations = np.sqrt(np.diag(covariance))
    correlations = covariance / np.outer(deviations, deviations)
    sign, logarithm = np.linalg.slogdet(correlations)
    if sign <= 0 or np.linalg.matrix_rank(correlations) < len(correlations):
        raise UserError("the total correlation is infinite: some latents are linear combinations of others; leave them out.")
    return float(-0.5 * logarithm)


def wasserstein_correlation(covariance: np.ndarray) -> float:
    """Return the squared Wasserstein-2 distance of a Gaussian from the product of its marginals."""
    deviations = np.sqrt(np.diag(covariance))
    # The product of covariance and marginals has the same eigenvalues as this symmetric matrix, whose root is safe to take.
    eigenvalues = np.linalg.eigvalsh(covariance * np.outer(deviations, deviations))
    return float(2 * np.trace(covariance) - 2 * np.sqrt(np.maximum(eigenvalues, 0)).sum())
