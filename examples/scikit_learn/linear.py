"""Linear encoders from scikit-learn, PCA and FastICA, evaluated as models with their own `fit`.

    perturb evaluate linear:pca --name PCA --seed 41 --variants original,modified,untrained,untrained_in_span,noise
    perturb evaluate linear:ica --name FastICA --seed 41 --variants original,modified,untrained,untrained_in_span,noise

Both use the images alone, although `fit` gets the labels too. PCA finds the directions of largest variance, which are the
paper's explanation of why VAEs disentangle; FastICA rotates these until the codes are as independent as possible.
"""

from typing import Protocol

import numpy as np
from sklearn.decomposition import PCA, FastICA
from torch import Tensor

from perturb.external import BenchmarkImages

EVERY = 2
"""Step between the pixels used: every second pixel suffices for such coarse directions and is four times as fast."""
ITERATIONS = 1_000
"""Maximum number of FastICA's steps; it stops on convergence."""


class Decomposition(Protocol):
    """The scikit-learn estimator methods that both models use."""

    def fit(self, rows: np.ndarray) -> object:
        """Fit the directions to images (n, pixels)."""
        ...

    def transform(self, rows: np.ndarray) -> np.ndarray:
        """Return codes (n, latents) of images (n, pixels)."""
        ...


class Linear:
    """A linear encoder with as many latents as there are factors.

    Args:
        decomposition: a scikit-learn estimator.

    """

    def __init__(self, decomposition: Decomposition) -> None:
        self.decomposition = decomposition
        self.settings = {"estimator": type(decomposition).__name__, "every": EVERY}

    def fit(self, dataset: BenchmarkImages, seed: int) -> None:
        """Fit to all images of a variant, without the labels."""
        images = dataset.images(np.arange(len(dataset)))
        self.decomposition.fit(_rows(images.transpose(0, 3, 1, 2) / 255))

    def encode(self, images: Tensor) -> np.ndarray:
        """Return codes (n, latents) of images (n, channels, height, width) in [0, 1]."""
        return self.decomposition.transform(_rows(images.cpu().numpy()))


def _rows(images: np.ndarray) -> np.ndarray:
    """Return every second pixel of images (n, channels, height, width), as float64 (n, pixels)."""
    return images[:, :, ::EVERY, ::EVERY].reshape(len(images), -1).astype(np.float64)


def pca(num_factors: int, seed: int) -> Linear:
    """PCA: the directions of the largest variance."""
    return Linear(PCA(num_factors, random_state=seed % 2**32))


def ica(num_factors: int, seed: int) -> Linear:
    """FastICA: the principal components, rotated so that the codes are as independent as possible."""
    return Linear(FastICA(num_factors, whiten="unit-variance", max_iter=ITERATIONS, random_state=seed % 2**32))
