"""The orthogonality of a decoder's Jacobians: the distance to orthogonality (thesis 3.2.6) and the columns themselves.

A Jacobian J (values × latents) has the singular value decomposition J = U S Vᵀ.

    DtO        ‖V − P‖, P the signed permutation matrix nearest to V (eq. 3.25): 0 if each latent moves the image along a
               different singular vector. With k latents it is at most √(2k), and for a random V it grows with k.
    cosine     |cos| of the angle between two columns of J: 0 if the two latents change the image in orthogonal directions.
    deficit    log colΠ(J) − log Π s = Σ log ‖J_·j‖ − ½ log det JᵀJ, in nats (eq. 3.23–3.24): the log ratio of the product of
               the column lengths to the volume that the columns span. At least 0 (Hadamard's inequality), and 0 if the
               columns are orthogonal. This is the contrast of independent mechanism analysis.

The thesis finds P by a mixed-integer programme that minimises Σ|V_ij − P_ij|. Since |V_ij| ≤ 1, an entry P_ij = ±1 adds at
best 1 − 2|V_ij| to Σ|V|. So the programme is the assignment of rows to columns that maximises Σ|V_ij|, which has a fast
exact solution. ‖V − P‖² = 2k − 2 Σ P_ij V_ij has the same minimum, so P is nearest in both norms.

Pruned units: the decoder ignores them (Definition 1 c), so their columns are nearly 0, and the singular vectors of two
pruned units are arbitrary. All measures are over the given columns, which should be those of the active units. Values of
models with different numbers of active units cannot be compared.

Degenerate singular values: if two are equal, V is determined only up to a rotation of the two vectors, and the thesis shows
that DtO then scatters (3.3.4). As in the thesis, DtO uses whatever V the SVD returns. The share of points at which two
neighbouring singular values differ by less than 5 % is reported beside it. Cosines and deficit do not depend on this choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment, milp
from scipy.sparse import eye_array, hstack, kron, vstack
from torch import Tensor

from perturb.analysis.jacobians import Decoder, jacobians

CLOSE = 0.05
"""Neighbouring singular values count as degenerate if they differ by at most this share of the larger one."""
BATCH = 16
"""Number of points whose Jacobians are held in memory at once."""


@dataclass(frozen=True, kw_only=True)
class Orthogonality:
    """The geometry of a decoder's Jacobians at some points, for k latents."""

    units: tuple[int, ...]
    """Indices of the latents that the columns belong to, (k,)."""
    vectors: np.ndarray
    """V at every point, float64 (points, k, k): one column per singular value, in descending order."""
    singular: np.ndarray
    """Singular values, float64 (points, k), descending."""
    distances: np.ndarray
    """DtO at every point, float64 (points,), in [0, √(2k)]."""
    cosines: np.ndarray
    """|cos| between columns at every point, float64 (points, k, k), in [0, 1]; 0 if a column is 0, 1 on the diagonal."""
    deficits: np.ndarray
    """Log ratio of the product of column lengths to that of singular values, float64 (points,), ≥ 0; NaN if J lacks full
    rank."""

    @property
    def cosine(self) -> float:
        """Mean |cos| over pairs of latents and points."""
        first, second = np.triu_indices(len(self.units), k=1)
        return float(self.cosines[:, first, second].mean())

    @property
    def ratio(self) -> float:
        """Geometric mean of colΠ(J) / Π s over points where J has full rank, ≥ 1; NaN if there are none."""
        kept = self.deficits[np.isfinite(self.deficits)]
        return float(np.exp(kept.mean())) if len(kept) else float("nan")

    @property
    def degenerate(self) -> float:
        """Share of points at which two neighbouring singular values are nearly equal, in [0, 1]."""
        larger, smaller = self.singular[:, :-1], self.singular[:, 1:]
        return float((larger - smaller <= CLOSE * larger).any(axis=1).mean())

    @property
    def deficient(self) -> float:
        """Share of points at which J lacks full rank, in [0, 1]."""
        return float(np.isnan(self.deficits).mean())


def comparable(counts: Sequence[int]) -> np.ndarray:
    """Select the models with the most common number of active latents, bool (models,): distances grow with that number."""
    return np.asarray(counts) == np.bincount(counts).argmax()


def decoder_orthogonality(decoder: Decoder, codes: Tensor, units: Sequence[int]) -> Orthogonality:
    """Measure the geometry of a decoder's Jacobians at some codes.

    Args:
        decoder: Decoder from codes (n, latents) to images (n, ...), as `jacobians` takes it.
        codes: The points, (n, latents); float64 if precision matters.
        units: Indices of at least two latents whose columns are measured: the active ones.

    Raises:
        ValueError: If there are fewer than two units, or as `jacobians`.

    """
    chosen = list(units)
    with torch.no_grad():
        found = [reduced(jacobians(decoder, part)[:, :, chosen]) for part in codes.split(BATCH)]
    return orthogonality(torch.cat(found).double().cpu().numpy(), units)


def reduced(matrices: Tensor) -> Tensor:
    """Reduce matrices (..., values, k) to (..., at most k, k) by rotating their rows, which changes no measure."""
    return torch.linalg.qr(matrices, mode="r").R


def orthogonality(matrices: Float[np.ndarray, "points values k"], units: Sequence[int]) -> Orthogonality:
    """Measure the geometry of Jacobians whose columns belong to the given units.

    Raises:
        ValueError: If there are fewer than two units.

    """
    if len(units) < 2:
        raise ValueError(f"orthogonality is between columns, and there are {len(units)}")
    _, values, transposed = np.linalg.svd(matrices)
    singular = np.zeros((len(matrices), len(units)))
    singular[:, : values.shape[1]] = values
    vectors = transposed.swapaxes(1, 2)
    return Orthogonality(
        units=tuple(units),
        vectors=vectors,
        singular=singular,
        distances=distances_to_orthogonality(vectors),
        cosines=column_cosines(matrices),
        deficits=hadamard_deficits(matrices, singular),
    )


def distances_to_orthogonality(vectors: Float[np.ndarray, "points k k"]) -> Float[np.ndarray, " points"]:
    """Return ‖V − P‖ for orthogonal matrices V, where P is the nearest signed permutation."""
    return np.array([np.linalg.norm(matrix - nearest_signed_permutation(matrix)) for matrix in vectors])


def nearest_signed_permutation(matrix: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    """Return the signed permutation matrix nearest to an orthogonal matrix, in both the L1 and the Frobenius norm."""
    rows, columns = linear_sum_assignment(-np.abs(matrix))
    nearest = np.zeros_like(matrix)
    nearest[rows, columns] = np.where(matrix[rows, columns] < 0, -1.0, 1.0)
    return nearest


def nearest_by_programme(matrix: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    """Find the nearest signed permutation by the thesis's mixed-integer programme (eq. 3.29), for comparison.

    The variables P⁺, P⁻ and D are non-negative.

    Raises:
        RuntimeError: If the solver finds no optimum.

    """
    k, flat = len(matrix), matrix.ravel()
    each, ones = eye_array(k * k), np.ones((1, k))
    signed, sums = hstack([each, -each]), vstack([kron(eye_array(k), ones), kron(ones, eye_array(k))])
    apart = vstack([hstack([signed, each]), hstack([-signed, each])])
    found = milp(
        c=np.repeat([0, 0, 1], k * k),
        integrality=np.repeat([1, 1, 0], k * k),
        constraints=[
            (apart, np.concatenate([flat, -flat]), np.inf),
            (hstack([sums, sums, 0 * sums]), 1, 1),
        ],
        options={"presolve": False},  # with presolve, HiGHS fails on one matrix in a thousand
    )
    if not found.success:
        raise RuntimeError(found.message)
    positive, negative, _ = np.split(found.x, 3)
    return np.round(positive - negative).reshape(k, k)


def column_cosines(matrices: Float[np.ndarray, "points values k"]) -> Float[np.ndarray, "points k k"]:
    """Return |cos| of the angles between columns; 0 if one of the two columns is 0."""
    lengths = np.linalg.norm(matrices, axis=1, keepdims=True)
    directions = np.divide(matrices, lengths, out=np.zeros_like(matrices), where=lengths > 0)
    cosines = np.abs(directions.swapaxes(1, 2) @ directions).clip(0, 1)
    diagonal = np.arange(matrices.shape[2])
    cosines[:, diagonal, diagonal] = 1.0
    return cosines


def hadamard_deficits(
    matrices: Float[np.ndarray, "points values k"], singular: Float[np.ndarray, "points k"]
) -> Float[np.ndarray, " points"]:
    """Return Σ log ‖J_·j‖ − Σ log s; NaN if the smallest singular value is within rounding error of the largest."""
    tolerance = singular[:, 0] * max(matrices.shape[1:]) * np.finfo(np.float64).eps
    full = singular[:, -1] > tolerance
    lengths = np.linalg.norm(matrices[full], axis=1)
    found = np.full(len(matrices), np.nan)
    found[full] = (np.log(lengths) - np.log(singular[full])).sum(axis=1).clip(min=0)
    return found
