"""Linear models at minima of their expected loss, each found from a random start.

A model has the decoder z ↦ W z, the encoder x ↦ M x and one posterior covariance Σ = L Lᵀ for all observations (at the
optimum it does not depend on the observation). Biases centre data and codes. In expectation over data with covariance C and
over the noise, the loss ‖x − x̂‖² / (2 σ²) + β · KL is

    (tr (I − W M) C (I − W M)ᵀ + tr W Σ Wᵀ) / (2 σ²) + β / 2 · (tr M C Mᵀ + tr Σ − log det Σ − k).

If β is small, the part of the loss that determines the axes is small too. Stochastic gradient descent then takes very many
steps. L-BFGS on the expected loss itself takes a few hundred.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from perturb.analysis.linear_vae import LinearVAE
from perturb.random.seeds import numpy_generator

Noise = Literal["none", "diagonal", "full"]
"""Form of the posterior covariance. `none` is an autoencoder: no noise, and no KL term in the loss."""
NARROW = -20.0
"""Logarithm of the variance that represents no noise."""


def minimised(
    data: Float[np.ndarray, "n values"], noise: Noise, *, latents: int, beta: float, variance: float, seed: int
) -> LinearVAE:
    """Minimise the expected loss on some data from one random start, and return the model.

    Args:
        data: Vectors. The loss depends on their mean and covariance C only.
        noise: Form of Σ.
        latents: Number of latents.
        beta: Weight of the KL term.
        variance: Variance σ² of the likelihood.
        seed: Seed for the initial weights, which are Glorot-uniform as in perturb/models. Σ starts at I.

    Returns:
        The model. Its `variances` are the diagonal of Σ.

    """
    vectors = np.asarray(data, np.float64)
    covariance, values = np.cov(vectors.T, bias=True), vectors.shape[1]
    limit = np.sqrt(6 / (values + latents))
    weights = numpy_generator(seed, "weights").uniform(-limit, limit, 2 * values * latents)
    scale = 2 * variance if noise == "none" else beta  # the part of the loss with β determines the axes
    shape = values, latents, noise

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        loss, slopes = _loss(*_parts(flat, *shape), covariance, noise, beta, variance)
        return loss / scale, np.concatenate([slope.ravel() for slope in slopes]) / scale

    start = np.concatenate([weights, np.zeros(latents * latents)])
    limits = {"maxiter": 5_000, "maxfun": 20_000, "ftol": 1e-15, "gtol": 1e-7}
    decoder, encoder, factor = _parts(minimize(value, start, jac=True, method="L-BFGS-B", options=limits).x, *shape)
    return LinearVAE(decoder, encoder, np.square(factor).sum(axis=1), vectors.mean(axis=0))


def _parts(flat: np.ndarray, values: int, latents: int, noise: Noise) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return W (values, latents), M (latents, values) and L (latents, latents), unpacked from a vector of parameters.

    The diagonal of the last square of parameters holds twice the logarithm of L's diagonal.
    """
    decoder, encoder, rest = np.split(flat, [values * latents, 2 * values * latents])
    square = rest.reshape(latents, latents)
    logvars = square.diagonal() if noise != "none" else np.full(latents, NARROW)
    below = np.tril(square, -1) if noise == "full" else 0.0
    return decoder.reshape(values, latents), encoder.reshape(latents, values), np.diag(np.exp(logvars / 2)) + below


def _loss(
    decoder: np.ndarray,
    encoder: np.ndarray,
    factor: np.ndarray,
    covariance: np.ndarray,
    noise: Noise,
    beta: float,
    variance: float,
) -> tuple[float, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the expected loss and its derivatives with respect to W, M and the parameters of L that `_parts` unpacks."""
    left = (np.eye(len(covariance)) - decoder @ encoder) @ covariance
    loss = (np.trace(left) - np.sum(left * (decoder @ encoder))) / (2 * variance)
    by_decoder, by_encoder = -left @ encoder.T / variance, -decoder.T @ left / variance
    if noise == "none":
        return loss, (by_decoder, by_encoder, np.zeros_like(factor))
    widths, coded = factor.diagonal(), encoder @ covariance
    loss += np.square(decoder @ factor).sum() / (2 * variance)
    loss += beta / 2 * (np.sum(coded * encoder) + np.square(factor).sum() - 2 * np.log(widths).sum() - len(factor))
    by_decoder = by_decoder + decoder @ factor @ factor.T / variance
    by_factor = decoder.T @ decoder @ factor / variance + beta * (factor - np.diag(1 / widths))
    below = np.tril(by_factor, -1) if noise == "full" else 0.0
    return loss, (by_decoder, by_encoder + beta * coded, np.diag(by_factor.diagonal() * widths / 2) + below)
