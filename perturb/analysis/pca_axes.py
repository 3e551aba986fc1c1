"""The agreement of the principal axes of images with the factors (Bhowal et al. 2024, A.8.6, Table 7 and Figure 5).

The theory says that a VAE's latents align with the directions in which the data vary most, and that they are disentangled
because the data vary along these directions as the factors change. The tests here involve no model:

    global   PCA of the images of the whole grid: do principal components follow factors?
    local    PCA of an image's neighbours, whose ordered factors each differ by at most one value: a posterior's noise, and
             hence the theory, is about these

A component follows a factor to the extent that the factor alone explains its variance: R²_jk = Var E[t_j | w_k] / Var t_j in
[0, 1] for scores t_j of component j and values w_k of factor k. If every combination of values occurs once, Σ_k R²_jk ≤ 1,
and the rest is due to interactions.

The control rotates the axes within the same subspace at random: R² of random directions among the same components.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64
from scipy.stats import ortho_group
from sklearn.decomposition import PCA

from perturb.datasets.ground_truth import FactorGrid


@dataclass(frozen=True, kw_only=True)
class PrincipalAxes:
    """The first principal axes of a set of images, and the images' coordinates along them."""

    shares: np.ndarray
    """Share of the total variance along each axis, descending, float64 (axes,). The reconstruction error in Table 7 is 1
    minus the sum of the shares of the retained components."""
    axes: np.ndarray
    """Unit vectors along the axes, (axes, values), with signs that make the entry of largest magnitude positive."""
    scores: np.ndarray
    """Coordinates of the centred images along the axes, float64 (n, axes)."""


def principal_axes(images: Float[np.ndarray, "n values"], count: int, seed: int) -> PrincipalAxes:
    """Find the principal axes along which the images vary most.

    Args:
        images: Flattened images as floats, (n, values).
        count: Number of axes, less than the number of images and of values.
        seed: Seed of the solver (ARPACK), whose result hardly depends on it.

    """
    pca = PCA(count, svd_solver="arpack", random_state=np.random.RandomState(seed % 2**32))
    scores = pca.fit_transform(images)
    axes = np.asarray(pca.components_)
    signs = np.sign(axes[np.arange(count), np.abs(axes).argmax(axis=1)])
    return PrincipalAxes(
        shares=pca.explained_variance_ratio_.astype(np.float64),
        axes=axes * signs[:, None],
        scores=(scores * signs).astype(np.float64),
    )


def explained_by_factors(
    scores: Float[np.ndarray, "n axes"], factors: Int64[np.ndarray, "n factors"]
) -> Float[np.ndarray, "axes factors"]:
    """Return R² between every component and every factor, in [0, 1]; 0 if a component is constant.

    From a sample of n images, R² is biased upwards by about (values − 1) / n, for a factor with that many values.
    """
    centred = scores - scores.mean(axis=0)
    total = np.square(centred).mean(axis=0)
    found = np.zeros((scores.shape[1], factors.shape[1]))
    for k, column in enumerate(factors.T):
        _, values, counts = np.unique(column, return_inverse=True, return_counts=True)
        sums = np.zeros((len(counts), scores.shape[1]))
        np.add.at(sums, values, centred)
        between = (np.square(sums) / counts[:, None]).sum(axis=0) / len(scores)
        found[:, k] = np.divide(between, total, out=np.zeros_like(total), where=total > 0)
    return found.clip(0, 1)


def turned_at_random(scores: Float[np.ndarray, "n axes"], rng: np.random.Generator) -> Float[np.ndarray, "n axes"]:
    """Rotate points by a random orthogonal matrix from the Haar measure."""
    return scores @ ortho_group.rvs(scores.shape[1], random_state=rng) if scores.shape[1] > 1 else scores


def neighbourhood(grid: FactorGrid, image: int) -> Int64[np.ndarray, " n"]:
    """Return the indices of an image and its neighbours, whose ordered factors each differ by at most one value.

    Unordered factors stay fixed. At the end of its range, a factor takes two values.
    """
    (centre,) = grid.factors_of(np.array([image]))
    ranges = [
        [value] if name in grid.unordered else range(max(0, value - 1), min(size, value + 2))
        for name, size, value in zip(grid.names, grid.sizes, centre.tolist(), strict=True)
    ]
    around = np.stack(np.meshgrid(*map(np.array, ranges), indexing="ij"), axis=-1).reshape(-1, grid.num_factors)
    return grid.indices_of(around)
