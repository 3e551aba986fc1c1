"""Four ways in which a code holds a factor: along a latent, along another straight line, along a curve, or not at all.

MIG is low for all but the first of these, so it does not say what went wrong. The thesis looks at traversals and finds codes
in cartesian and in polar coordinates (Figures 4.10 and 4.11). Here three numbers per factor tell the cases apart, for
the standardised codes z of the latents in use:

    along a latent      max over latents j of Var E[z_j | factor] / Var z_j: the share of a latent's variance that the factor
                        explains, whatever the function (the correlation ratio)
    along a line        the same, maximised over all directions w·z: the largest eigenvalue of the between-class covariance
                        relative to the covariance (linear discriminant analysis)
    readable            1 − E d(factor, factor of a neighbour in the code) / E d(factor, factor of any image)

The first two are in [0, 1], and the second is at least as large as the first. A code that is merely rotated keeps a line for
each factor, a curved one does not. Neighbours are the five nearest images; d is 0 or 1 for unordered factors, and otherwise
the shorter way around the circle of classes, because many factors are angles or hues. So 1 is for codes that determine
the factor, and 0 for codes that do not depend on it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Num

from perturb.analysis.axes import used_codes
from perturb.datasets.ground_truth import FactorGrid

Kind = Literal["own latent", "rotated", "curved", "missing"]
KINDS: tuple[Kind, ...] = "own latent", "rotated", "curved", "missing"
STRAIGHT, LEAST_READABLE = 0.9, 0.3
"""Share of a line's variance that a factor has to explain for the line to be its own, and the readability of a factor
below which it counts as missing."""
NEIGHBOURS = 5
FEWEST = 100
"""Number of images below which neighbours say nothing about a code."""
MOST_LATENTS = 1_000
"""Maximum number of latents, beyond which neighbours would take minutes."""
DEPENDENT = 1e-5
"""Directions in which a code has less than this share of its largest deviation are rounding errors."""


@dataclass(frozen=True)
class Held:
    """The way in which a code holds one factor."""

    latent: float
    """Largest share of a latent's variance that the factor explains, in [0, 1]."""
    line: float
    """Largest share of the variance along any line, in [`latent`, 1]."""
    readable: float
    """Readability from neighbours, at most 1; about 0 if the code does not depend on the factor."""

    @property
    def kind(self) -> Kind:
        """The case that the numbers amount to."""
        if self.latent >= STRAIGHT:
            return "own latent"
        if self.line >= STRAIGHT:
            return "rotated"
        return "curved" if self.readable >= LEAST_READABLE else "missing"


def held_factors(
    codes: Num[np.ndarray, "n latents"], factors: Int[np.ndarray, "n factors"], grid: FactorGrid, rng: np.random.Generator
) -> list[Held]:
    """Measure how a code holds each factor of a grid. A factor with a single class counts as missing.

    Args:
        codes: Codes of randomly drawn images, with at least one latent that varies.
        factors: Their factor classes.
        grid: The grid, which says which factors have an order.
        rng: Generator that draws the images to compare with.

    """
    from sklearn.neighbors import NearestNeighbors

    used = used_codes(codes).double().numpy()
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(used).kneighbors(return_distance=False)
    others, found = rng.permutation(len(used)), []
    for column, (name, size) in enumerate(zip(grid.names, grid.sizes, strict=True)):
        classes = factors[:, column]
        latent, line = explained_shares(used, classes)
        near, far = (
            _distance(classes[:, None], compared, size, ordered=name not in grid.unordered)
            for compared in (classes[nearest], classes[others][:, None])
        )
        found.append(Held(latent, line, 1 - near / far if far else 0.0))
    return found


def held_by_name(
    codes: Num[np.ndarray, "n latents"], factors: Int[np.ndarray, "n factors"], grid: FactorGrid, rng: np.random.Generator
) -> dict[str, Held] | None:
    """Measure how a code holds each factor, by its name; None if it is not measured. Arguments are those of `held_factors`.

    It is not measured if no latent varies, or with fewer than FEWEST images or more than MOST_LATENTS latents.
    """
    if len(codes) < FEWEST or codes.shape[1] > MOST_LATENTS or used_codes(codes).shape[1] == 0:
        return None
    return dict(zip(grid.names, held_factors(codes, factors, grid, rng), strict=True))


def explained_shares(codes: Float[np.ndarray, "n used"], classes: Int[np.ndarray, " n"]) -> tuple[float, float]:
    """Return the largest share of variance that classes explain, among the latents, and among all directions of the code.

    Args:
        codes: Codes whose latents all vary; they may depend on each other.
        classes: A class number for each of them.

    """
    centred = codes - codes.mean(axis=0)
    axes, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:, lengths > DEPENDENT * lengths[0]]
    latent = float((np.diag(_between(centred, classes)) / np.square(centred).sum(axis=0)).max())
    line = max(latent, float(np.linalg.eigvalsh(_between(axes, classes))[-1]))
    return min(latent, 1.0), min(line, 1.0)


def _between(centred: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the between-class scatter matrix of centred columns, (columns, columns)."""
    _, places = np.unique(classes, return_inverse=True)
    counts = np.bincount(places)
    means = np.stack([np.bincount(places, weights=column) for column in centred.T], axis=1) / counts[:, None]
    return (means.T * counts) @ means


def _distance(classes: np.ndarray, others: np.ndarray, size: int, *, ordered: bool) -> float:
    """Return the mean distance between classes: 0 or 1 without an order, else the shorter way around the circle."""
    if not ordered:
        return float((classes != others).mean())
    apart = np.abs(classes - others)
    return float(np.minimum(apart, size - apart).mean())
