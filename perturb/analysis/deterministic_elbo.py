"""The deterministic ELBO of a VAE with a Gaussian likelihood, and what a diagonal posterior costs.

From "Unpicking Data at the Seams" (Allen 2024), equations 5, 6 and 8 to 10, Theorem 3 and Corollary 3.1. The likelihood of
an image x is N(x; d(z), σ²), and z has the posterior N(e, Σ). Expanded to second order about the mean, and without the
curvature of the decoder itself (as the paper concludes from its equation 7), the β-ELBO is

    ℓ = log N(x; d(e), σ²) − ½ (JᵀJ / σ²) ⊙ Σ − (β/2) (‖e‖² + tr Σ − log |Σ| − k)                                   (eq. 5)

for k latents and the decoder's Jacobian J at e. It is exact if the decoder is linear. Its maximum over Σ is at

    Σ⁻¹ = P = I + JᵀJ / (β σ²)                                                                            (eq. 6, 8 and 9)

where the terms after the first add up to −(β/2) (‖e‖² + log |P|) (eq. 10). The best diagonal Σ has the entries 1 / P_jj, and
log |P| becomes Σ log P_jj. By Hadamard's inequality this is never smaller, and it is equal if the columns of J are
orthogonal.

Divided by β, the whole expression is the ELBO of a VAE whose likelihood has the variance β σ² (Theorem 3), up to a constant:
a higher β is a higher variance. Below equation 6 the paper says "minimised" where the ELBO is maximised, and the author's
blog prints Σ where equation 8 has Σ⁻¹.

Bounds are in nats per image, summed over its values.
"""

import numpy as np
from jaxtyping import Float


def log_likelihood(squared_errors: Float[np.ndarray, " n"], values: int, variance: float) -> Float[np.ndarray, " n"]:
    """Return the logarithm of a Gaussian density, in nats.

    Args:
        squared_errors: The squared error ‖x − d(e)‖² of each image.
        values: Number of values in an image.
        variance: The variance σ² of every value.

    """
    return -0.5 * (squared_errors / variance + values * np.log(2 * np.pi * variance))


def precision(
    jacobians: Float[np.ndarray, "n values k"], *, variance: float, beta: float = 1.0
) -> Float[np.ndarray, "n k k"]:
    """Return P = I + JᵀJ / (β σ²), the precision of each image's optimal posterior (eq. 6 and 9)."""
    return np.eye(jacobians.shape[2]) + jacobians.swapaxes(1, 2) @ jacobians / (beta * variance)


def elbo(
    likelihood: Float[np.ndarray, " n"],
    means: Float[np.ndarray, "n k"],
    covariances: Float[np.ndarray, "n k k"],
    asked: Float[np.ndarray, "n k k"],
    *,
    beta: float = 1.0,
) -> Float[np.ndarray, " n"]:
    """Return the deterministic β-ELBO of every image, for posteriors with any covariance (eq. 5).

    Args:
        likelihood: The result of `log_likelihood` at the posterior means.
        means: Posterior means e.
        covariances: Posterior covariances Σ, symmetric and positive definite.
        asked: The optimal precision P, from `precision` with the same β. The likelihood's second-order term and tr Σ
            together are P ⊙ Σ.
        beta: Weight of the KL term.

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
    """Return the deterministic β-ELBO of every image at its optimal covariance, in closed form (eq. 10).

    Args:
        likelihood: As for `elbo`.
        means: As for `elbo`.
        asked: As for `elbo`.
        diagonal: True for the best diagonal covariance, False for the best of any form.
        beta: Weight of the KL term.

    """
    entropy = np.log(np.diagonal(asked, axis1=1, axis2=2)).sum(axis=1) if diagonal else np.linalg.slogdet(asked)[1]
    return likelihood - 0.5 * beta * (np.square(means).sum(axis=1) + entropy)


def price_of_the_diagonal(asked: Float[np.ndarray, "n k k"]) -> Float[np.ndarray, " n"]:
    """Return ½ (Σ log P_jj − log |P|) ≥ 0, the nats that the ELBO loses with the best diagonal posterior (β = 1)."""
    diagonal = np.log(np.diagonal(asked, axis1=1, axis2=2)).sum(axis=1)
    return 0.5 * (diagonal - np.linalg.slogdet(asked)[1]).clip(min=0)


def posterior_variances(
    principal: Float[np.ndarray, " values"], latents: int, noise: float
) -> Float[np.ndarray, " latents"]:
    """Return the posterior variances of the optimal linear VAE, ascending: β σ² / λ, or 1 for a pruned unit (λ ≤ β σ²).

    This is Corollary 3.1 for linear decoders. If β σ² is at least the largest variance of the data, every unit is pruned.
    As β decreases, the units come back one after another.

    Args:
        principal: Variances λ of the data along its principal directions, at least as many as latents, in any order.
        latents: Number of latents.
        noise: The product β σ².

    """
    leading = np.sort(principal)[::-1][:latents]
    return np.minimum(1.0, noise / leading)
