"""The precision that a VAE can afford, and the axes on which it loses least by it (thesis 3.2.3 to 3.2.5).

Near a code, a decoder is a matrix J (outputs, latents). Noise of variances σ² on the latents costs it E ‖Jε‖² =
Σ_j σ_j² ‖J_j‖², J_j the columns. With the KL term held fixed, Σ_j −log σ_j² = C, the cheapest variances make all summands
equal, and what is left is the product of the column norms (eqs. 3.18 to 3.23):

    min over σ  =  d · (Π_j ‖J_j‖²)^(1/d) · e^(−C/d),    σ_j² ∝ 1 / ‖J_j‖²

By Hadamard's inequality that product is least, over all rotations of the latents, where the columns are orthogonal: the
singular vectors' axes. Theorem 1 says that there are no other local minima. (With two latents the exponent is −C/2, which
equations 3.21 and 3.22 print as −C.)
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
"""Iterations of L-BFGS at most."""


def column_norms(decoder: Float[np.ndarray, "outputs latents"]) -> Float[np.ndarray, " latents"]:
    """Return the Euclidean norm of each column of a decoder, (latents,)."""
    return np.linalg.norm(decoder, axis=0)


def column_product(decoder: Float[np.ndarray, "outputs latents"]) -> float:
    """Return colΠ, the product of the column norms (eq. 3.23)."""
    return float(np.prod(column_norms(decoder)))


def volume(decoder: Float[np.ndarray, "outputs latents"]) -> float:
    """Return the volume of the unit cube's image, which colΠ is never below (eq. 3.24): the singular values' product."""
    return float(np.prod(np.linalg.svd(decoder, compute_uv=False)))


def cheapest_variances(decoder: Float[np.ndarray, "outputs latents"], budget: float) -> Float[np.ndarray, " latents"]:
    """Return the variances that let through least noise, (latents,).

    Args:
        decoder: no column of zeros.
        budget: C in nats, Σ_j −log σ_j² = C.

    """
    squares = column_norms(decoder) ** 2
    return np.exp(np.log(squares).mean() - budget / len(squares)) / squares


def stochastic_loss(decoder: Float[np.ndarray, "outputs latents"], variances: Float[np.ndarray, " latents"]) -> float:
    """Return E ‖Jε‖² of noise ε with these variances on the latents (eq. 3.18)."""
    return float(column_norms(decoder) ** 2 @ variances)


def rotation(degrees: float) -> Float[np.ndarray, "2 2"]:
    """Return the matrix that turns codes of two latents by an angle."""
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def turned(decoder: Float[np.ndarray, "outputs 2"], degrees: float) -> Float[np.ndarray, "outputs 2"]:
    """Return a decoder of codes that an encoder has turned by an angle: J Rᵀ (thesis 3.2.4)."""
    return decoder @ rotation(degrees).T


def largest_cosine(decoder: Float[np.ndarray, "outputs latents"]) -> float:
    """Return the largest absolute cosine between two columns, 0 where all are orthogonal."""
    cosines = column_cosines(decoder[None])[0]
    return float(cosines[~np.eye(len(cosines), dtype=bool)].max())


@dataclass(frozen=True)
class Minimum:
    """The point at which a minimisation over rotations and variances has ended."""

    loss: float
    """Σ_i log E ‖J_i V_iᵀ ε_i‖² (eq. 3.14)."""
    cosine: float
    """Largest absolute cosine between two columns of any J_i V_iᵀ."""


def least_log_loss(decoders: Float[np.ndarray, "samples outputs latents"], budget: float) -> float:
    """Return the global minimum of `minimised` in closed form: Σ_i (log d + (2/d) Σ_j log s_ij) − C/d, s singular values."""
    latents = decoders.shape[2]
    logs = np.log(np.linalg.svd(decoders, compute_uv=False))
    return float(len(decoders) * np.log(latents) + 2 / latents * logs.sum() - budget / latents)


def minimised(decoders: Float[np.ndarray, "samples outputs latents"], budget: float, *, seed: int) -> Minimum:
    """Minimise the thesis's problem (eqs. 3.14 and 3.15) numerically from a random start.

    Rotations V_i are matrix exponentials of skew-symmetric matrices, and the variances keep to the budget by construction,
    so that the problem has no constraint left and L-BFGS finds a local minimum.

    Args:
        decoders: Jacobians J_i, float64, one for each sample.
        budget: C in nats, shared by all samples: Σ_i Σ_j −log σ_ij² = C.
        seed: of the start.

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
        found = loss()
        found.backward()
        return float(found.detach())

    optimiser.step(step)
    with torch.no_grad():
        ends = turned_decoders().numpy()
        return Minimum(float(loss()), max(largest_cosine(end) for end in ends))
