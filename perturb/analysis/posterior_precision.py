"""The posterior precision that a decoder's curvature asks for, to compare with the encoder's (Allen 2024, eqs. 6 to 9).

At the optimum of the ELBO, the precision of a Gaussian posterior is that of an averaged Laplace approximation,

    Σ⁻¹ = I − (1/β) E_q [H_z(x)],    H_z(x) = −J_zᵀ A J_z + Σ_i (x_i − x̂_i) ∂²d_i/∂z∂z

where J is the Jacobian of the natural parameters d(z), here the logits, and A is the variance of the likelihood, x̂(1 − x̂)
for Bernoulli. The last term is left out: for ReLU decoders it is 0 almost everywhere. A diagonal posterior can only match
the diagonal, so it pays for the off-diagonal part of JᵀAJ. This part is smallest if the columns of J are orthogonal.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from perturb.analysis.jacobians import jacobians


def asked_precision(
    decoder: Callable[[Tensor], Tensor], codes: Float[Tensor, "draws latents"], beta: float
) -> Float[Tensor, "latents latents"]:
    """Return the optimal precision Σ⁻¹ of one posterior.

    Args:
        decoder: Decoder from codes (n, latents) to logits (n, ...), as `jacobians` takes it.
        codes: Codes drawn from the posterior.
        beta: Weight of the KL term; by Theorem 3, a factor on the likelihood's variance.

    """
    with torch.no_grad():
        means = torch.sigmoid(decoder(codes)).flatten(1)
    slopes = jacobians(decoder, codes)
    curvature = torch.einsum("npi,np,npj->ij", slopes, means * (1 - means), slopes) / len(codes)
    return torch.eye(codes.shape[1], dtype=codes.dtype, device=codes.device) + curvature / beta


def off_diagonal(matrices: Float[Tensor, "*n latents latents"]) -> Float[Tensor, " *n"]:
    """Return the root mean square of M_ij / √(M_ii M_jj) over i ≠ j: 0 for a diagonal matrix, 1 for one of rank 1.

    Args:
        matrices: Symmetric matrices with a positive diagonal.

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
