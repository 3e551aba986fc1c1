"""Rotation invariance of the likelihood and the ELBO, and the axes of a matrix (thesis 3.1, 3.2.1, Propositions 1 to 3).

An encoder-decoder pair is turned by an orthogonal matrix U: codes become U z, and Dec_U(z) = Dec(Uᵀ z) (eqs. 3.3 and 3.4).
The prior N(0, I) looks the same from all sides, so that the pair draws the same images:

    Proposition 2   log p(x) = log ∫ N(z; 0, I) N(x; Dec(z), σ²) dz does not change
    Proposition 3   neither does the ELBO, if the posterior N(e, Σ) is turned with the rest, to N(U e, U Σ Uᵀ)

A diagonal posterior cannot be turned with the rest, and this alone makes a VAE prefer some axes to others. Which ones is
Proposition 1: for a matrix with distinct singular values the columns are orthogonal exactly where V of M = U S Vᵀ is a
signed permutation, that is, where its axes are those of the singular vectors.

Codes have two dimensions here, so that integrals over them are sums over a fine grid, exact but for rounding. Densities and
bounds are in nats.
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
"""A function from codes to the means of images."""
REACH, POINTS = 8.0, 401
"""The grid of codes: standard deviations of the prior to each side, and points along each axis."""
NODES = 120
"""Nodes of the Gauss-Hermite quadrature along each axis of a posterior."""


@dataclass(frozen=True)
class Bend:
    """A decoder x = W tanh(V z) of two latents."""

    inner: np.ndarray
    """Weights V of the hidden layer, (hidden, 2)."""
    outer: np.ndarray
    """Weights W of the output layer, (values, hidden)."""

    @classmethod
    def drawn(cls, rng: np.random.Generator, *, values: int = 3, hidden: int = 8) -> "Bend":
        """Draw a random decoder: entries of V from N(0, 1/2), those of W from N(0, 1/hidden)."""
        return cls(rng.normal(size=(hidden, 2)) / np.sqrt(2), rng.normal(size=(values, hidden)) / np.sqrt(hidden))

    def __call__(self, codes: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n values"]:
        """Return the means of the images of codes."""
        return np.tanh(codes @ self.inner.T) @ self.outer.T

    def jacobians(self, codes: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n values 2"]:
        """Return the derivatives of the images' means by the codes."""
        slopes = 1 - np.tanh(codes @ self.inner.T) ** 2
        return np.einsum("vh,nh,hk->nvk", self.outer, slopes, self.inner)


def turned(decoder: Decoder, by: Float[np.ndarray, "2 2"]) -> Decoder:
    """Return Dec_U, the decoder that draws from turned codes U z what the given decoder draws from z."""
    return lambda codes: decoder(codes @ by)


def evidence(decoder: Decoder, images: Float[np.ndarray, "n values"], *, variance: float) -> Float[np.ndarray, " n"]:
    """Compute log p(x) of every image by a sum over a grid of codes, for a Gaussian likelihood of this variance."""
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
        decoder: of the pair.
        images: x.
        means: e.
        covariances: Σ, positive definite.
        variance: σ² of the likelihood.

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
        The largest absolute cosine between two columns, and the largest second-largest |entry| of a row of V; each in
        [0, 1], and 0 where the statement holds exactly.

    """
    vectors = np.abs(np.linalg.svd(matrix, full_matrices=False)[2])
    return largest_cosine(matrix), float(np.sort(vectors, axis=1)[:, -2].max())


def with_orthogonal_columns(rng: np.random.Generator, values: int, lengths: Float[np.ndarray, " k"]) -> np.ndarray:
    """Draw a random matrix with orthogonal columns of the given lengths, (values, k)."""
    return ortho_group.rvs(values, random_state=rng)[:, : len(lengths)] * lengths


def _likelihoods(means: np.ndarray, image: np.ndarray, variance: float) -> np.ndarray:
    return log_likelihood(np.square(means - image).sum(axis=1), image.size, variance)
