"""Rotation invariance of the likelihood and the ELBO, and the axes of a matrix (thesis 3.1, 3.2.1, Propositions 1 to 3).

Rotate an encoder-decoder pair by an orthogonal matrix U: codes become U z, and Dec_U(z) = Dec(Uᵀ z) (eqs. 3.3 and 3.4).
The prior N(0, I) is rotation invariant, so the pair generates the same distribution of images:

    Proposition 2   log p(x) = log ∫ N(z; 0, I) N(x; Dec(z), σ²) dz does not change
    Proposition 3   neither does the ELBO, if the posterior N(e, Σ) is rotated too, to N(U e, U Σ Uᵀ)

A diagonal posterior cannot be rotated with the rest, and this alone makes a VAE prefer some axes to others. Proposition 1
says which: for a matrix M = U S Vᵀ with distinct singular values, the columns are orthogonal if and only if V is a signed
permutation, that is, if the axes are those of the singular vectors.

Codes are two-dimensional here, so integrals over them are sums over a fine grid, exact up to rounding. Densities and bounds
are in nats.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import logsumexp
from scipy.stats import ortho_group

from perturb.analysis.deterministic_elbo import log_likelihood
from perturb.analysis.precision import largest_cosine

Decoder = Callable[[Float[np.ndarray, "n 2"]], Float[np.ndarray, "n values"]]
"""A function from codes to mean images."""
REACH, POINTS = 8.0, 401
"""The grid of codes: reach to each side, in standard deviations of the prior, and number of points along each axis."""
NODES = 120
"""Number of Gauss-Hermite quadrature nodes along each axis of a posterior."""


@dataclass(frozen=True)
class Bend:
    """A decoder x = W tanh(V z) with two latents."""

    inner: np.ndarray
    """Weights V of the hidden layer, (hidden, 2)."""
    outer: np.ndarray
    """Weights W of the output layer, (values, hidden)."""

    @classmethod
    def drawn(cls, rng: np.random.Generator, *, values: int = 3, hidden: int = 8) -> "Bend":
        """Draw a random decoder: entries of V from N(0, 1/2), those of W from N(0, 1/hidden)."""
        return cls(rng.normal(size=(hidden, 2)) / np.sqrt(2), rng.normal(size=(values, hidden)) / np.sqrt(hidden))

    def __call__(self, codes: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n values"]:
        """Return the mean images for codes."""
        return np.tanh(codes @ self.inner.T) @ self.outer.T

    def jacobians(self, codes: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n values 2"]:
        """Return the derivatives of the mean images with respect to the codes."""
        slopes = 1 - np.tanh(codes @ self.inner.T) ** 2
        return np.einsum("vh,nh,hk->nvk", self.outer, slopes, self.inner)


def turned(decoder: Decoder, by: Float[np.ndarray, "2 2"]) -> Decoder:
    """Return Dec_U, the decoder that maps rotated codes U z to what the given decoder returns for z."""
    return lambda codes: decoder(codes @ by)


def evidence(decoder: Decoder, images: Float[np.ndarray, "n values"], *, variance: float) -> Float[np.ndarray, " n"]:
    """Compute log p(x) of every image under a Gaussian likelihood, by summing over a grid of codes."""
    axis = np.linspace(-REACH, REACH, POINTS)
    codes = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    cell = 2 * np.log(axis[1] - axis[0])
    prior = log_likelihood(np.square(codes).sum(axis=1), 2, 1.0) + cell
    means = decoder(codes)
    return np.array([logsumexp(prior + _likelihoods(means, image, variance)) for image in images])


def elbo(
    decoder: Decoder,
    images: Float[np.ndarray, "n values"],
    means: Float[np.ndarray, "n 2"],
    covariances: Float[np.ndarray, "n 2 2"],
    *,
    variance: float,
) -> Float[np.ndarray, " n"]:
    """Compute the ELBO, E_q log p(x | z) − KL(q ‖ p), of every image for the posteriors q = N(e, Σ).

    Args:
        decoder: Decoder from codes to mean images.
        images: Images x.
        means: Posterior means e.
        covariances: Posterior covariances Σ, positive definite.
        variance: Variance σ² of the likelihood.

    """
    nodes, weights = hermegauss(NODES)
    noise = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    masses = np.outer(weights, weights).ravel() / (2 * np.pi)
    drawn = [decoder(mean + noise @ np.linalg.cholesky(one).T) for mean, one in zip(means, covariances, strict=True)]
    expected = [masses @ _likelihoods(one, image, variance) for one, image in zip(drawn, images, strict=True)]
    traces, logs = np.trace(covariances, axis1=1, axis2=2), np.linalg.slogdet(covariances)[1]
    return np.array(expected) - 0.5 * (np.square(means).sum(axis=1) + traces - logs - 2)


def largest_cosine_and_mixing(matrix: Float[np.ndarray, "values k"]) -> tuple[float, float]:
    """Measure both sides of Proposition 1: how far the columns are from orthogonal, and V from a signed permutation.

    Returns:
        The largest absolute cosine between two columns, and the largest value over V's rows of the second-largest |entry|.
        Both are in [0, 1]; they are 0 if the columns are orthogonal and if V is a signed permutation, respectively.

    """
    vectors = np.abs(np.linalg.svd(matrix, full_matrices=False)[2])
    return largest_cosine(matrix), float(np.sort(vectors, axis=1)[:, -2].max())


def with_orthogonal_columns(rng: np.random.Generator, values: int, lengths: Float[np.ndarray, " k"]) -> np.ndarray:
    """Draw a random matrix with orthogonal columns of the given lengths, (values, k)."""
    return ortho_group.rvs(values, random_state=rng)[:, : len(lengths)] * lengths


def _likelihoods(means: np.ndarray, image: np.ndarray, variance: float) -> np.ndarray:
    return log_likelihood(np.square(means - image).sum(axis=1), image.size, variance)
