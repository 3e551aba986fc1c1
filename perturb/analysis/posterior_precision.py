"""The posterior that a decoder's curvature asks for, beside the one that the encoder gives (Allen 2024, eqs. 6 to 9).

At the optimum of the ELBO a Gaussian posterior's precision is that of an averaged Laplace approximation,

    Σ⁻¹ = I − (1/β) E_q [H_z(x)],    H_z(x) = −J_zᵀ A J_z + Σ_i (x_i − x̂_i) ∂²d_i/∂z∂z

with J the Jacobian of the natural parameters d(z), here the logits, and A their likelihood's variance, x̂(1 − x̂) for
Bernoulli. The last term is left out: it is 0 almost everywhere for ReLU decoders. A diagonal posterior can follow the
diagonal alone, so that JᵀAJ off the diagonal is what it pays for: it is least where the columns of J are orthogonal.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from perturb.analysis.jacobians import jacobians


def asked_precision(
    decoder: Callable[[Tensor], Tensor], codes: Float[Tensor, "draws latents"], beta: float
) -> Float[Tensor, "latents latents"]:
    """The optimal precision Σ⁻¹ of one posterior.

    Args:
        decoder: codes (n, latents) → logits (n, ...); as `jacobians` takes it.
        codes: drawn from the posterior.
        beta: weight of the KL term; by Theorem 3 a factor of the likelihood's variance.

    """
    with torch.no_grad():
        means = torch.sigmoid(decoder(codes)).flatten(1)
    slopes = jacobians(decoder, codes)
    curvature = torch.einsum("npi,np,npj->ij", slopes, means * (1 - means), slopes) / len(codes)
    return torch.eye(codes.shape[1], dtype=codes.dtype) + curvature / beta


def off_diagonal(matrices: Float[Tensor, "*n latents latents"]) -> Float[Tensor, " *n"]:
    """The root mean square of M_ij / √(M_ii M_jj) over i ≠ j: 0 for a diagonal matrix, 1 for one of rank 1.

    Args:
        matrices: symmetric, with a positive diagonal.

    """
    scales = matrices.diagonal(dim1=-2, dim2=-1).rsqrt()
    scaled = matrices * scales[..., None] * scales[..., None, :]
    latents = matrices.shape[-1]
    squares = scaled.square().sum(dim=(-2, -1)) - latents
    return (squares.clamp(min=0) / (latents * (latents - 1))).sqrt()


def turned_at_random(
    matrices: Float[Tensor, "*n latents latents"], *, generator: torch.Generator
) -> Float[Tensor, "*n latents latents"]:
    """Rotate all matrices by one random rotation.

    This is the control for `off_diagonal`: the value to expect if the latents' axes had no meaning.
    """
    square = torch.randn(matrices.shape[-2:], generator=generator, dtype=matrices.dtype)
    rotation = torch.linalg.qr(square).Q
    return rotation.mT @ matrices @ rotation
