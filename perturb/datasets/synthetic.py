"""The thesis's synthetic sets (Zietlow, section 3.3): a unit square embedded in a space of more dimensions.

They are vectors and not images on a grid, so they stand beside the ground truths: two factors, uniform on [0, 1]², and an
embedding of them. The linear one stretches the first axis by a ratio (2; the thesis stretches one axis by 2 and says not
which), adds a third coordinate of 0, and turns by 45° about the line through (1, −1, 1). With the ratio 1 it is degenerate:
both directions have the same variance, and neither PCA nor a VAE has a reason to prefer the axes of the square; Table 3.4
has the ratios 1.0, 1.2 and 1.5. The non-linear one is a random network of one hidden layer.
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
"""Axis and angle of the rotation; positive by the right-hand rule, which the thesis leaves open."""
HIDDEN, NONLINEAR_DIMENSIONS = 10, 6


@dataclass(frozen=True)
class Synthetic:
    """A set of vectors with two factors."""

    name: str
    dimensions: int
    """Dimensions of an observation."""
    embedding: Callable[[np.ndarray], np.ndarray]
    """Factors, float64 (n, 2) → observations, float64 (n, dimensions)."""
    description: str
    factor_names: tuple[str, str] = ("w1", "w2")

    def sample(self, seed: int, n: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
        """Factors, float64 (n, 2), uniform on [0, 1)², and observations, float32 (n, dimensions)."""
        factors = numpy_generator(seed, "synthetic").random((n, 2))
        return factors, self.embedding(factors).astype(np.float32)

    def samples(self, seed: int, n: int = SAMPLES) -> "Samples":
        """Return what `sample` draws, as a training takes it."""
        from perturb.datasets.samples import Samples  # it imports torch, and lists of datasets do not need that

        factors, observations = self.sample(seed, n)
        return Samples(observations, factors)


def linear(ratio: float = 2.0, *, name: str = "synthetic_linear") -> Synthetic:
    """The linear set whose first direction is `ratio` times as long as its second."""
    matrix = linear_matrix(ratio)
    description = f"a square stretched {ratio:g} : 1, turned in space"
    return Synthetic(name, 3, lambda factors: factors @ matrix.T, description)


def linear_matrix(ratio: float) -> np.ndarray:
    """The linear embedding, float64 (3, 2)."""
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(np.radians(DEGREES) * AXIS / np.linalg.norm(AXIS)).as_matrix()
    return turn @ np.array([[ratio, 0.0], [0.0, 1.0], [0.0, 0.0]])


def nonlinear(network_seed: int = 0, *, name: str = "synthetic_nonlinear") -> Synthetic:
    """The set that a random network makes: 2 → 10 tanh → 6, biases in both layers.

    The thesis leaves the law of the weights open; here it is PyTorch's default, uniform in ±1/√(number of inputs).

    Args:
        network_seed: of the weights: another one is another dataset.
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
    """Normal vectors with these variances along axes of their own, turned at random.

    Args:
        variances: along each axis; a vector has as many values.
        seed: of the axes and of the samples.
        n: number of samples.

    Returns:
        Vectors, float32 (n, values), and as what is known of them their coordinates along the axes, float64 (n, values).

    """
    from scipy.stats import ortho_group

    from perturb.datasets.samples import Samples

    axes = ortho_group.rvs(len(variances), random_state=numpy_generator(seed, "synthetic", "axes"))
    along = numpy_generator(seed, "synthetic", "gaussian").normal(scale=np.sqrt(variances), size=(n, len(variances)))
    return Samples((along @ axes.T).astype(np.float32), along)


def _uniform(generator: np.random.Generator, inputs: int, shape: tuple[int, ...]) -> np.ndarray:
    return generator.uniform(-1.0, 1.0, shape) / np.sqrt(inputs)


SYNTHETIC = {found.name: found for found in (linear(), linear(1.0, name="synthetic_degenerate"), nonlinear())}
"""The thesis's sets by their names."""
