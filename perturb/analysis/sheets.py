"""Two-dimensional sheets in space and their local principal axes: what the thesis's Figure 4.1 draws, computed.

A point (u, v) of the square [−1, 1]² lies at (s u, v, h(u, v)). How far apart neighbours are in space is the metric JᵀJ of
the sheet's Jacobian J; its eigenvectors are the directions of most and least variance around a point, which a VAE turns its
latents into. A ripple ε sin(k · (u + v) / √2) moves no point by more than ε, and adds ε² k² / 2 to the metric's mean along
the diagonal: with short waves, as much as one likes.
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
    """s, the length of the first axis where the second is 1 long."""
    bend: float = 0.2
    """c of the saddle's height c (u² − v²)."""
    ripple: float = 0.0
    """ε, the largest move of a point; 0: none."""
    waves: float = 14.0
    """k, radians a unit of length."""

    def embedded(self, points: Points) -> Float[np.ndarray, "*points 3"]:
        """Places in space, (..., 3)."""
        u, v = points[..., 0], points[..., 1]
        height = self.bend * (u**2 - v**2) + self.ripple * np.sin(self._phase(points))
        return np.stack([self.stretch * u, v, height], axis=-1)

    def jacobian(self, points: Points) -> Float[np.ndarray, "*points 3 2"]:
        """Derivatives of the places by u and v, (..., 3, 2)."""
        u, v = points[..., 0], points[..., 1]
        slope = self.ripple * self.waves / np.sqrt(2) * np.cos(self._phase(points))
        zero, one = np.zeros_like(u), np.ones_like(u)
        rows = [[self.stretch * one, zero], [zero, one], [2 * self.bend * u + slope, slope - 2 * self.bend * v]]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    def metric(self, points: Points) -> Float[np.ndarray, "*points 2 2"]:
        """JᵀJ averaged over the waves of the ripple around each point, (..., 2, 2)."""
        smooth = self._smooth.jacobian(points)
        return smooth.swapaxes(-1, -2) @ smooth + (self.ripple * self.waves) ** 2 / 4 * np.ones((2, 2))

    def local_axes(self, points: Points) -> Float[np.ndarray, "*points 2 2"]:
        """Directions of most and of least variance around each point, as orthonormal columns in (u, v), (..., 2, 2)."""
        return np.linalg.eigh(self.metric(points))[1][..., ::-1]

    def local_directions(self, points: Points) -> Float[np.ndarray, "*points 3 2"]:
        """The local axes as columns of length 1 in space, along the sheet without its ripple, (..., 3, 2)."""
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
    """Angles between the leading axes of `local_axes`, degrees in [0, 90]."""
    along = np.abs(np.sum(first[..., 0] * second[..., 0], axis=-1))
    return np.degrees(np.arccos(np.clip(along, 0, 1)))
