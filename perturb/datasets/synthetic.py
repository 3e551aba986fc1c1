"""The thesis's synthetic sets (Zietlow, section 3.3): a unit square embedded in a space of more dimensions.

They are vectors rather than images on a grid, so they are not ground truths: two factors, uniform on [0, 1]², and an
embedding of them. The linear embedding stretches the first axis by a ratio (2; the thesis stretches one axis by 2 without
saying which), adds a third coordinate of 0, and rotates by 45° about the axis (1, −1, 1). With a ratio of 1 it is
degenerate: both directions have the same variance, and neither PCA nor a VAE has a reason to prefer the axes of the square.
Table 3.4 has the ratios 1.0, 1.2 and 1.5. The non-linear embedding is a random network with one hidden layer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perturb.random.seeds import numpy_generator

if TYPE_CHECKING:
    from perturb.datasets.samples import Samples

SAMPLES = 50_000
"""Number of samples that the thesis draws."""
AXIS, DEGREES = np.array([1.0, -1.0, 1.0]), 45.0
"""Axis and angle of the rotation. The angle is positive by the right-hand rule; the thesis does not state the sense."""
HIDDEN, NONLINEAR_DIMENSIONS = 10, 6


@dataclass(frozen=True)
class Synthetic:
    """A synthetic set of vectors with two factors."""

    name: str
    dimensions: int
    """Number of dimensions of an observation."""
    embedding: Callable[[np.ndarray], np.ndarray]
    """Factors, float64 (n, 2) → observations, float64 (n, dimensions)."""
    description: str
    factor_names: tuple[str, str] = ("w1", "w2")

    def sample(self, seed: int, n: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
        """Draw factors, float64 (n, 2), uniform on [0, 1)², and their observations, float32 (n, dimensions)."""
        factors = numpy_generator(seed, "synthetic").random((n, 2))
        return factors, self.embedding(factors).astype(np.float32)

    def samples(self, seed: int, n: int = SAMPLES) -> "Samples":
        """Draw as `sample` does, in the form that training expects."""
        from perturb.datasets.samples import Samples  # imports torch, which lists of datasets do not need

        factors, observations = self.sample(seed, n)
        return Samples(observations, factors)


def linear(ratio: float = 2.0, *, name: str = "synthetic_linear") -> Synthetic:
    """Return the linear set with a first direction that is `ratio` times as long as the second."""
    matrix = linear_matrix(ratio)
    description = f"a square stretched {ratio:g} : 1, turned in space"
    return Synthetic(name, 3, lambda factors: factors @ matrix.T, description)


def linear_matrix(ratio: float) -> np.ndarray:
    """Return the matrix of the linear embedding, float64 (3, 2)."""
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(np.radians(DEGREES) * AXIS / np.linalg.norm(AXIS)).as_matrix()
    return turn @ np.array([[ratio, 0.0], [0.0, 1.0], [0.0, 0.0]])


def nonlinear(network_seed: int = 0, *, name: str = "synthetic_nonlinear") -> Synthetic:
    """Return the set embedded by a random network: 2 → 10 tanh → 6, with biases in both layers.

    The thesis does not state the distribution of the weights; here it is PyTorch's default, uniform in ±1/√(number of
    inputs).

    Args:
        network_seed: seed of the weights; another seed gives another dataset.
        name: of the set.

    """
    generator = numpy_generator(network_seed, "synthetic", "network")
    sizes = ((2, HIDDEN), (HIDDEN, NONLINEAR_DIMENSIONS))
    layers = [
        (_uniform(generator, inputs, (inputs, outputs)), _uniform(generator, inputs, (outputs,)))
        for inputs, outputs in sizes
    ]
    (first, first_bias), (second, second_bias) = layers

    def embedding(factors: np.ndarray) -> np.ndarray:
        return np.tanh(factors @ first + first_bias) @ second + second_bias

    return Synthetic(name, NONLINEAR_DIMENSIONS, embedding, f"a square through a random network, seed {network_seed}")


def gaussian(variances: Sequence[float], seed: int, n: int) -> "Samples":
    """Draw normal vectors with these variances along randomly rotated axes.

    Args:
        variances: one per axis; a vector has as many values as there are axes.
        seed: of the axes and the samples.
        n: number of samples.

    Returns:
        Vectors, float32 (n, values), with their coordinates along the axes as known factors, float64 (n, values).

    """
    from scipy.stats import ortho_group

    from perturb.datasets.samples import Samples

    axes = ortho_group.rvs(len(variances), random_state=numpy_generator(seed, "synthetic", "axes"))
    along = numpy_generator(seed, "synthetic", "gaussian").normal(scale=np.sqrt(variances), size=(n, len(variances)))
    return Samples((along @ axes.T).astype(np.float32), along)


def _uniform(generator: np.random.Generator, inputs: int, shape: tuple[int, ...]) -> np.ndarray:
    return generator.uniform(-1.0, 1.0, shape) / np.sqrt(inputs)


SYNTHETIC = {dataset.name: dataset for dataset in (linear(), linear(1.0, name="synthetic_degenerate"), nonlinear())}
"""The thesis's sets by name."""
