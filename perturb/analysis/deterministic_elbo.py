"""The deterministic ELBO of a VAE with a Gaussian likelihood, and what a diagonal posterior costs it.

From "Unpicking Data at the Seams" (Allen 2024), equations 5, 6 and 8 to 10, Theorem 3 and Corollary 3.1. An image x is drawn
about d(z) with the variance σ², and z has the posterior N(e, Σ). Expanded to second order about the mean, without the
curvature of the decoder itself (as the paper concludes from its equation 7), the β-ELBO is

    ℓ = log N(x; d(e), σ²) − ½ (JᵀJ / σ²) ⊙ Σ − (β/2) (‖e‖² + tr Σ − log |Σ| − k)                                   (eq. 5)

for k latents and the decoder's Jacobian J at e. It is exact where the decoder is linear. It is greatest in Σ for

    Σ⁻¹ = P = I + JᵀJ / (β σ²)                                                                            (eq. 6, 8 and 9)

and then −(β/2) (‖e‖² + log |P|) beside the first term (eq. 10). Among diagonal Σ the best is 1 / P_jj, and log |P| becomes
Σ log P_jj, which is never less, by Hadamard's inequality, and equal where the columns of J are orthogonal.

Divided by β, all of it is the ELBO of a VAE whose likelihood has the variance β σ² (Theorem 3), up to a constant: a higher β
is a higher variance. The paper says "minimised" below equation 6 where the ELBO is maximised, and the author's blog prints Σ
where equation 8 has Σ⁻¹.

Bounds are in nats for an image, sums over its values.
"""

import numpy as np
from jaxtyping import Float


def log_likelihood(squared_errors: Float[np.ndarray, " n"], values: int, variance: float) -> Float[np.ndarray, " n"]:
    """Return the logarithm of a Gaussian density, in nats.

    Args:
        squared_errors: ‖x − d(e)‖² of each image.
        values: of an image.
        variance: σ² of every value.

    """
    return -0.5 * (squared_errors / variance + values * np.log(2 * np.pi * variance))


def precision(
    jacobians: Float[np.ndarray, "n values k"], *, variance: float, beta: float = 1.0
) -> Float[np.ndarray, "n k k"]:
    """Return P = I + JᵀJ / (β σ²), the precision of the best posterior of every image (eq. 6 and 9)."""
    return np.eye(jacobians.shape[2]) + jacobians.swapaxes(1, 2) @ jacobians / (beta * variance)


def elbo(
    likelihood: Float[np.ndarray, " n"],
    means: Float[np.ndarray, "n k"],
    covariances: Float[np.ndarray, "n k k"],
    asked: Float[np.ndarray, "n k k"],
    *,
    beta: float = 1.0,
) -> Float[np.ndarray, " n"]:
    """Return the deterministic β-ELBO of every image for posteriors of any covariance (eq. 5).

    Args:
        likelihood: as `log_likelihood` gives it at the posterior means.
        means: e, posterior means.
        covariances: Σ, symmetric and positive definite.
        asked: P, as `precision` gives it with the same β: the term of the likelihood and tr Σ together are P ⊙ Σ.
        beta: weight of the KL.

    """
    spent = np.sum(asked * covariances, axis=(1, 2)) - np.linalg.slogdet(covariances)[1] - means.shape[1]
    return likelihood - 0.5 * beta * (np.square(means).sum(axis=1) + spent)


def best_elbo(
    likelihood: Float[np.ndarray, " n"],
    means: Float[np.ndarray, "n k"],
    asked: Float[np.ndarray, "n k k"],
    *,
    diagonal: bool,
    beta: float = 1.0,
) -> Float[np.ndarray, " n"]:
    """Return the deterministic β-ELBO of every image for the best covariance, in closed form (eq. 10).

    Args:
        likelihood: as for `elbo`.
        means: as for `elbo`.
        asked: as for `elbo`.
        diagonal: True for the best among diagonal ones, False for the best of all.
        beta: weight of the KL.

    """
    entropy = np.log(np.diagonal(asked, axis1=1, axis2=2)).sum(axis=1) if diagonal else np.linalg.slogdet(asked)[1]
    return likelihood - 0.5 * beta * (np.square(means).sum(axis=1) + entropy)


def price_of_the_diagonal(asked: Float[np.ndarray, "n k k"]) -> Float[np.ndarray, " n"]:
    """Return ½ (Σ log P_jj − log |P|) ≥ 0, the nats by which the best diagonal posterior lowers the ELBO for β = 1."""
    diagonal = np.log(np.diagonal(asked, axis1=1, axis2=2)).sum(axis=1)
    return 0.5 * (diagonal - np.linalg.slogdet(asked)[1]).clip(min=0)


def posterior_variances(
    principal: Float[np.ndarray, " values"], latents: int, noise: float
) -> Float[np.ndarray, " latents"]:
    """Return the posterior variances of the best linear VAE, ascending: β σ² / λ, or 1 for a pruned unit, with λ ≤ β σ².

    Corollary 3.1 for linear decoders: where β σ² is at least the greatest variance of the data, every unit is pruned, and a
    smaller β brings the units back one after another.

    Args:
        principal: variances λ of the data along its principal directions, at least as many as latents, in any order.
        latents: of the code.
        noise: β σ².

    """
    leading = np.sort(principal)[::-1][:latents]
    return np.minimum(1.0, noise / leading)
