"""The precision budget of a VAE, and the axes on which the latents' noise costs least (thesis 3.2.3 to 3.2.5).

Near a code, a decoder is approximately a matrix J (outputs, latents). Noise with variances σ² on the latents costs
E ‖Jε‖² = Σ_j σ_j² ‖J_j‖², where J_j are the columns. With the KL term held fixed, Σ_j −log σ_j² = C, the cheapest variances
make all summands equal, and the cost depends on J only through the product of the column norms (eqs. 3.18 to 3.23):

    min over σ  =  d · (Π_j ‖J_j‖²)^(1/d) · e^(−C/d),    σ_j² ∝ 1 / ‖J_j‖²

By Hadamard's inequality, the minimum of that product over all rotations of the latents is where the columns are orthogonal:
on the axes of the singular vectors. Theorem 1 says that there are no other local minima. (With two latents the exponent is
−C/2, which equations 3.21 and 3.22 print as −C.)
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from perturb.analysis.orthogonality import column_cosines
from perturb.random.seeds import numpy_generator

EXAMPLE = np.array([[4.0, 1.0], [-3.0, 1.0], [5.0, -1.0]])
"""The thesis's decoder M₁ (eq. 3.20), float64 (3, 2)."""
STEPS = 400
"""Maximum number of L-BFGS iterations."""


def column_norms(decoder: Float[np.ndarray, "outputs latents"]) -> Float[np.ndarray, " latents"]:
    """Return the Euclidean norm of each column of a decoder, (latents,)."""
    return np.linalg.norm(decoder, axis=0)


def column_product(decoder: Float[np.ndarray, "outputs latents"]) -> float:
    """Return colΠ, the product of the column norms (eq. 3.23)."""
    return float(np.prod(column_norms(decoder)))


def volume(decoder: Float[np.ndarray, "outputs latents"]) -> float:
    """Return the product of the singular values, the volume of the unit cube's image; colΠ is never below it (eq. 3.24)."""
    return float(np.prod(np.linalg.svd(decoder, compute_uv=False)))


def cheapest_variances(decoder: Float[np.ndarray, "outputs latents"], budget: float) -> Float[np.ndarray, " latents"]:
    """Return the variances that minimise the stochastic loss, (latents,).

    Args:
        decoder: Decoder matrix without columns of zeros.
        budget: The budget C in nats, Σ_j −log σ_j² = C.

    """
    squares = column_norms(decoder) ** 2
    return np.exp(np.log(squares).mean() - budget / len(squares)) / squares


def stochastic_loss(decoder: Float[np.ndarray, "outputs latents"], variances: Float[np.ndarray, " latents"]) -> float:
    """Return E ‖Jε‖² for noise ε with the given variances on the latents (eq. 3.18)."""
    return float(column_norms(decoder) ** 2 @ variances)


def rotation(degrees: float) -> Float[np.ndarray, "2 2"]:
    """Return the matrix that rotates two-dimensional codes by an angle in degrees."""
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def turned(decoder: Float[np.ndarray, "outputs 2"], degrees: float) -> Float[np.ndarray, "outputs 2"]:
    """Return J Rᵀ, the decoder that goes with codes rotated by an angle in degrees (thesis 3.2.4)."""
    return decoder @ rotation(degrees).T


def largest_cosine(decoder: Float[np.ndarray, "outputs latents"]) -> float:
    """Return the largest absolute cosine between two columns, 0 if all are orthogonal."""
    cosines = column_cosines(decoder[None])[0]
    return float(cosines[~np.eye(len(cosines), dtype=bool)].max())


@dataclass(frozen=True)
class Minimum:
    """The point where a minimisation over rotations and variances ended."""

    loss: float
    """Σ_i log E ‖J_i V_iᵀ ε_i‖² (eq. 3.14)."""
    cosine: float
    """Largest absolute cosine between two columns of any J_i V_iᵀ."""


def least_log_loss(decoders: Float[np.ndarray, "samples outputs latents"], budget: float) -> float:
    """Return the global minimum of the problem that `minimised` solves, in closed form.

    It is Σ_i (log d + (2/d) Σ_j log s_ij) − C/d, where s_ij are the singular values of J_i.
    """
    latents = decoders.shape[2]
    logs = np.log(np.linalg.svd(decoders, compute_uv=False))
    return float(len(decoders) * np.log(latents) + 2 / latents * logs.sum() - budget / latents)


def minimised(decoders: Float[np.ndarray, "samples outputs latents"], budget: float, *, seed: int) -> Minimum:
    """Minimise the thesis's problem (eqs. 3.14 and 3.15) numerically from a random start.

    Rotations V_i are parameterised as matrix exponentials of skew-symmetric matrices, and the variances meet the budget by
    construction. The problem is therefore unconstrained, and L-BFGS finds a local minimum.

    Args:
        decoders: Jacobians J_i, float64, one per sample.
        budget: The budget C in nats, shared by all samples: Σ_i Σ_j −log σ_ij² = C.
        seed: Seed of the random start.

    """
    jacobians = torch.from_numpy(decoders)
    samples, _, latents = decoders.shape
    start = numpy_generator(seed, "precision")
    skew = torch.from_numpy(start.normal(size=(samples, latents, latents))).requires_grad_()
    logvar = torch.from_numpy(start.normal(size=(samples, latents))).requires_grad_()

    def turned_decoders() -> Tensor:
        return jacobians @ torch.linalg.matrix_exp(skew - skew.mT).mT

    def loss() -> Tensor:
        centred = logvar - logvar.mean() - budget / logvar.numel()
        return (turned_decoders().square().sum(dim=1) * centred.exp()).sum(dim=1).log().sum()

    optimiser = torch.optim.LBFGS(
        [skew, logvar], max_iter=STEPS, tolerance_grad=1e-8, tolerance_change=1e-13, line_search_fn="strong_wolfe"
    )

    def step() -> float:
        optimiser.zero_grad()
        current = loss()
        current.backward()
        return float(current.detach())

    optimiser.step(step)
    with torch.no_grad():
        ends = turned_decoders().numpy()
        return Minimum(float(loss()), max(largest_cosine(end) for end in ends))
