"""Linear VAEs and principal components (thesis 4.2.1, Theorem 2; Lucas et al. 2019).

A linear VAE has the decoder z ↦ W z + m, the encoder x ↦ M (x − m), one diagonal covariance for all posteriors, and a
Gaussian likelihood of variance σ². Its optimum is known: the columns of W are principal directions, in any order and with
either sign, because only then is the exact posterior diagonal and the bound tight. A linear autoencoder has no such
preference. It finds the space spanned by the leading directions, with arbitrary axes within it.

β multiplies the KL term, which is equivalent to a likelihood of variance β σ² ("Unpicking Data at the Seams", Allen 2024,
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
    """Variance of the data along each direction: the mean squared deviation over samples."""
    mean: Float[np.ndarray, " values"]


@dataclass(frozen=True)
class LinearVAE:
    """Parameters of a linear VAE."""

    decoder: Float[np.ndarray, "values latents"]
    """The decoder W; an unused latent has a column of zeros."""
    encoder: Float[np.ndarray, "latents values"]
    """The encoder M, from a centred observation to its posterior mean."""
    variances: Float[np.ndarray, " latents"]
    """Posterior variances, the same for every observation."""
    mean: Float[np.ndarray, " values"]


def principal(data: Float[np.ndarray, "n values"], components: int | None = None) -> Principal:
    """Compute principal components by an SVD of the centred data (eq. 2.1 and 2.2, 4.3).

    Args:
        data: Data, (n, values).
        components: Number of leading components to return; None for all.

    """
    values = np.asarray(data, np.float64)
    mean = values.mean(axis=0)
    _, lengths, rows = np.linalg.svd(values - mean, full_matrices=False)
    return Principal(rows[:components].T, (lengths**2 / len(values))[:components], mean)


def optimum(found: Principal, latents: int, *, variance: float, beta: float = 1.0) -> LinearVAE:
    """Return the optimal linear β-VAE for data with these principal components (Lucas et al. 2019).

    A component is used if its variance λ exceeds β σ². Its column then has length √(λ − β σ²), and its posterior variance
    is β σ² / λ. The other latents stay at the prior, with a column of zeros and a variance of 1.

    Args:
        found: Principal components of the data, at least as many as latents.
        latents: Number of latents.
        variance: Variance σ² of the likelihood.
        beta: Weight of the KL term.

    """
    noise, scales = beta * variance, found.variances[:latents]
    lengths = np.sqrt(np.clip(scales - noise, 0, None))
    decoder = found.directions[:, :latents] * lengths
    total = lengths**2 + noise
    return LinearVAE(decoder, decoder.T / total[:, None], noise / total, found.mean)


def loss(model: LinearVAE, covariance: Float[np.ndarray, "values values"], *, variance: float, beta: float = 1.0) -> float:
    """Return the negative ELBO of a linear β-VAE, in nats per sample and including all constants.

    The data have the model's mean and the given covariance.

    Args:
        model: Any linear VAE, at its optimum or not.
        covariance: Covariance of the data, (values, values).
        variance: Variance σ² of the likelihood.
        beta: Weight of the KL term.

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
    """Return the angle between each column of a decoder and the direction matched to it, degrees in [0, 90], (latents,).

    Each column is matched to a different direction so that the sum of the angles is minimal. Signs do not matter.

    Args:
        decoder: Decoder matrix (values, latents) with columns of any length. A column of zeros counts as 90°.
        directions: Orthonormal columns, at least as many as latents.

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
    """Return the largest principal angle between the column spaces of two matrices, degrees in [0, 90]."""
    from scipy.linalg import subspace_angles

    return float(np.degrees(subspace_angles(decoder, directions).max()))


def _between(decoder: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return the angles between columns and directions in degrees, (latents, directions), accurate also near 0."""
    along = decoder.T @ directions
    across = np.linalg.norm(decoder.T[:, None] - along[..., None] * directions.T, axis=2)
    return np.degrees(np.where(along == 0, np.pi / 2, np.arctan2(across, np.abs(along))))
