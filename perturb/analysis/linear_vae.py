"""Linear VAEs and principal components (thesis 4.2.1, Theorem 2; Lucas et al. 2019).

A linear VAE has the decoder z ↦ W z + m, the encoder x ↦ M (x − m), one diagonal covariance for all posteriors, and a
Gaussian likelihood of variance σ². With a diagonal posterior its optimum is known: the columns of W are principal
directions, the longest first or in any other order and of either sign, because only then is the exact posterior diagonal
and the bound tight. A linear autoencoder has no such preference: it finds the space that the leading directions span, and
any axes within it.

β multiplies the KL, which is as good as a likelihood of the variance β σ² ("Unpicking Data at the Seams", Allen 2024,
Theorem 3).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Principal:
    """Principal components of some data."""

    directions: Float[np.ndarray, "values components"]
    """Orthonormal columns, by descending variance, float64."""
    variances: Float[np.ndarray, " components"]
    """Variance of the data along each, the mean over samples of squared deviations."""
    mean: Float[np.ndarray, " values"]


@dataclass(frozen=True)
class LinearVAE:
    """A linear VAE's maps and noise."""

    decoder: Float[np.ndarray, "values latents"]
    """W; a column of zeros belongs to a latent that is not used."""
    encoder: Float[np.ndarray, "latents values"]
    """M, from a centred observation to its posterior's mean."""
    variances: Float[np.ndarray, " latents"]
    """Posterior variances, the same for every observation."""
    mean: Float[np.ndarray, " values"]


def principal(data: Float[np.ndarray, "n values"], components: int | None = None) -> Principal:
    """Principal components by the singular values of the centred data (eq. 2.1 and 2.2, 4.3).

    Args:
        data: (n, values).
        components: how many, the leading ones; None: all.

    """
    values = np.asarray(data, np.float64)
    mean = values.mean(axis=0)
    _, lengths, rows = np.linalg.svd(values - mean, full_matrices=False)
    return Principal(rows[:components].T, (lengths**2 / len(values))[:components], mean)


def optimum(found: Principal, latents: int, *, variance: float, beta: float = 1.0) -> LinearVAE:
    """The linear β-VAE of the least loss on data with these principal components (Lucas et al. 2019).

    A component is used where its variance λ is above β σ²: its column is √(λ − β σ²) long, and its posterior's variance is
    β σ² / λ. The others are left at the prior, with a column of zeros and a variance of 1.

    Args:
        found: principal components of the data, at least as many as latents.
        latents: of the code.
        variance: σ² of the likelihood.
        beta: weight of the KL.

    """
    noise, scales = beta * variance, found.variances[:latents]
    lengths = np.sqrt(np.clip(scales - noise, 0, None))
    decoder = found.directions[:, :latents] * lengths
    total = lengths**2 + noise
    return LinearVAE(decoder, decoder.T / total[:, None], noise / total, found.mean)


def loss(model: LinearVAE, covariance: Float[np.ndarray, "values values"], *, variance: float, beta: float = 1.0) -> float:
    """−ELBO of a linear β-VAE, in nats per sample with all constants, on data of the model's mean and this covariance.

    Args:
        model: any linear VAE, at its optimum or not.
        covariance: of the data, (values, values).
        variance: σ² of the likelihood.
        beta: weight of the KL.

    """
    through = np.eye(len(covariance)) - model.decoder @ model.encoder
    deterministic = np.trace(through @ covariance @ through.T)
    stochastic = np.sum(model.decoder**2 @ model.variances)
    reconstruction = (deterministic + stochastic) / variance + len(covariance) * np.log(2 * np.pi * variance)
    spread = np.trace(model.encoder @ covariance @ model.encoder.T)
    kl = spread + np.sum(model.variances - np.log(model.variances) - 1)
    return float(0.5 * (reconstruction + beta * kl))


def angles(
    decoder: Float[np.ndarray, "values latents"], directions: Float[np.ndarray, "values components"]
) -> Float[np.ndarray, " latents"]:
    """Angles between a decoder's columns and the directions that they are matched to, degrees in [0, 90], (latents,).

    Each column gets a direction of its own, so that the sum of the angles is the least; signs do not matter.

    Args:
        decoder: (values, latents), of columns of any length. One of zeros has no direction and counts as 90°.
        directions: orthonormal columns, at least as many.

    """
    from scipy.optimize import linear_sum_assignment

    if directions.shape[1] < decoder.shape[1]:
        raise ValueError(
            f"`directions` must be at least {decoder.shape[1]}, one for each latent, got {directions.shape[1]}."
        )
    apart = _between(np.asarray(decoder, np.float64), np.asarray(directions, np.float64))
    latents, matched = linear_sum_assignment(apart)
    return apart[latents, matched]


def subspace_angle(decoder: Float[np.ndarray, "values latents"], directions: Float[np.ndarray, "values latents"]) -> float:
    """Largest principal angle between the spaces that two sets of columns span, degrees in [0, 90]."""
    from scipy.linalg import subspace_angles

    return float(np.degrees(subspace_angles(decoder, directions).max()))


def _between(decoder: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Angles of columns with directions, degrees, (latents, directions); small ones are exact, as arccos's are not."""
    along = decoder.T @ directions
    across = np.linalg.norm(decoder.T[:, None] - along[..., None] * directions.T, axis=2)
    return np.degrees(np.where(along == 0, np.pi / 2, np.arctan2(across, np.abs(along))))
