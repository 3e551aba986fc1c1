"""Two-dimensional sheets in space and their local principal axes: a computed version of the thesis's Figure 4.1.

A point (u, v) of the square [−1, 1]² is mapped to (s u, v, h(u, v)). Distances between neighbours in space are given by the
metric JᵀJ, where J is the sheet's Jacobian. Its eigenvectors are the directions of largest and smallest variance around a
point, along which a VAE aligns its latents. A ripple ε sin(k · (u + v) / √2) moves no point by more than ε. It adds
ε² k² / 2 to the mean metric along the diagonal, which can be made arbitrarily large with short waves.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "*points 2"]
"""Points (u, v) of the square, (..., 2)."""


@dataclass(frozen=True)
class Sheet:
    """A saddle, with or without a ripple across its diagonal."""

    stretch: float = 1.4
    """The stretch s: length of the first axis relative to the second."""
    bend: float = 0.2
    """The coefficient c of the saddle's height c (u² − v²)."""
    ripple: float = 0.0
    """The amplitude ε of the ripple, the largest displacement of a point; 0 for no ripple."""
    waves: float = 14.0
    """The wave number k of the ripple, in radians per unit of length."""

    def embedded(self, points: Points) -> Float[np.ndarray, "*points 3"]:
        """Return the positions of points in space, (..., 3)."""
        u, v = points[..., 0], points[..., 1]
        height = self.bend * (u**2 - v**2) + self.ripple * np.sin(self._phase(points))
        return np.stack([self.stretch * u, v, height], axis=-1)

    def jacobian(self, points: Points) -> Float[np.ndarray, "*points 3 2"]:
        """Return the derivatives of the positions with respect to u and v, (..., 3, 2)."""
        u, v = points[..., 0], points[..., 1]
        slope = self.ripple * self.waves / np.sqrt(2) * np.cos(self._phase(points))
        zero, one = np.zeros_like(u), np.ones_like(u)
        rows = [[self.stretch * one, zero], [zero, one], [2 * self.bend * u + slope, slope - 2 * self.bend * v]]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    def metric(self, points: Points) -> Float[np.ndarray, "*points 2 2"]:
        """Return JᵀJ averaged over the waves of the ripple around each point, (..., 2, 2)."""
        smooth = self._smooth.jacobian(points)
        return smooth.swapaxes(-1, -2) @ smooth + (self.ripple * self.waves) ** 2 / 4 * np.ones((2, 2))

    def local_axes(self, points: Points) -> Float[np.ndarray, "*points 2 2"]:
        """Return the directions of largest and smallest variance at each point, as orthonormal columns in (u, v).

        The shape is (..., 2, 2).
        """
        return np.linalg.eigh(self.metric(points))[1][..., ::-1]

    def local_directions(self, points: Points) -> Float[np.ndarray, "*points 3 2"]:
        """Return the local axes as unit columns in space, along the sheet without its ripple, (..., 3, 2)."""
        tangents = self._smooth.jacobian(points) @ self.local_axes(points)
        return tangents / np.linalg.norm(tangents, axis=-2, keepdims=True)

    @property
    def _smooth(self) -> "Sheet":
        return Sheet(self.stretch, self.bend)

    def _phase(self, points: Points) -> np.ndarray:
        return self.waves * points.sum(axis=-1) / np.sqrt(2)


def turned_by(
    first: Float[np.ndarray, "*points 2 2"], second: Float[np.ndarray, "*points 2 2"]
) -> Float[np.ndarray, " *points"]:
    """Return the angles between the leading axes of two results of `local_axes`, degrees in [0, 90]."""
    along = np.abs(np.sum(first[..., 0] * second[..., 0], axis=-1))
    return np.degrees(np.arccos(np.clip(along, 0, 1)))
