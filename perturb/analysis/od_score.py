"""The Orthogonality Deviation Score (OD-Score) of Bhowal et al. (2024, section 4.4 and A.8.3).

A local decoder's linear part M (values × latents) has the singular value decomposition M = U S Vᵀ. The nearest matrix with
orthonormal columns, in Frobenius norm, is its polar factor

    Q = M (MᵀM)^(−1/2) = U Vᵀ

(A.8.3 prints the exponent ½, which would give M (MᵀM)^½ = U S² Vᵀ. The step before it, M = Q (MᵀM)^½, gives −½.) Following
Lemma 4, Q is compared with U, the identity with V, and the lengths of Q's columns, which are 1, with S:

    d_U = ‖U − Q‖²    d_Σ = ‖S − 1‖²    d_V = ‖V − I‖²    OD = ⅓ Σ d / max d

The maximum is over the compared models. An SVD does not fix the order and signs of singular vectors. Here latents are first
reordered and given the signs that bring V nearest to I.

What the score contains besides orthogonality:

* ‖U − Q‖ = ‖U (I − Vᵀ)‖ = ‖V − I‖: the first and third terms are the same number, DtO² (analysis/orthogonality.py).
* d_Σ measures lengths, not angles: M with orthogonal columns of length 2 has d_Σ > 0. So it grows with the contrast of the
  images and shrinks with the range of the codes. Lemma 4 (b), which is about M itself, has the lengths of M's columns
  instead of 1: ‖S − lengths‖² is 0 exactly if M's columns are orthogonal. It is reported beside the score.
* Each term is divided by its maximum over the compared models. One more model can therefore change the scores and the order
  of all others, and scores of different studies cannot be compared.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import polar

from perturb.analysis.orthogonality import nearest_signed_permutation


@dataclass(frozen=True, kw_only=True)
class Deviations:
    """Squared distances of matrices from their polar factors; each is float64 (points,), ≥ 0."""

    u: np.ndarray
    """d_U = ‖U − Q‖², in [0, 2k] for k latents."""
    sigma: np.ndarray
    """d_Σ = ‖S − 1‖², the squared distance of the singular values from 1, at least 0."""
    v: np.ndarray
    """d_V = ‖V − I‖², in [0, 2k] for k latents; equal to d_U."""
    lengths: np.ndarray
    """‖S − lengths of M's columns‖², which is 0 exactly if the columns are orthogonal. It is not part of the score."""

    @property
    def terms(self) -> tuple[float, float, float]:
        """The three distances in the score, each averaged over points, in the order U, Σ, V."""
        return float(self.u.mean()), float(self.sigma.mean()), float(self.v.mean())


def polar_factor(matrix: Float[np.ndarray, "values k"]) -> Float[np.ndarray, "values k"]:
    """Return the nearest matrix with orthonormal columns; it is not unique if the matrix lacks full rank."""
    return polar(matrix)[0]


def deviations(matrices: Float[np.ndarray, "points values k"]) -> Deviations:
    """Measure the distance of each matrix from its polar factor.

    There must be at least as many values as latents k. Rotating the rows changes nothing, so the matrices may come from
    `orthogonality.reduced`.
    """
    found = np.array([_deviation(matrix) for matrix in matrices]).reshape(-1, 4)
    return Deviations(u=found[:, 0], sigma=found[:, 1], v=found[:, 2], lengths=found[:, 3])


def _deviation(matrix: np.ndarray) -> tuple[float, float, float, float]:
    left, singular, transposed = np.linalg.svd(matrix, full_matrices=False)
    order = nearest_signed_permutation(transposed.T)
    arranged = matrix @ order
    vectors = order.T @ transposed.T
    factor, lengths = polar_factor(arranged), np.linalg.norm(arranged, axis=0)
    distances = left - factor, singular - 1, vectors - np.eye(len(vectors)), singular - lengths
    u, sigma, v, by_length = (float(np.square(distance).sum()) for distance in distances)
    return u, sigma, v, by_length


def od_scores(terms: Float[np.ndarray, "models terms"]) -> Float[np.ndarray, " models"]:
    """Return the OD-Score of every compared model, in [0, 1]; lower means nearer to orthogonal.

    Args:
        terms: The distances d_U, d_Σ and d_V of each model before normalisation, ≥ 0. A term that is 0 for all models
            counts as 0.

    """
    largest = terms.max(axis=0)
    return np.divide(terms, largest, out=np.zeros_like(terms), where=largest > 0).mean(axis=1)
