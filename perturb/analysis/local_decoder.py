"""Simple approximations of a decoder within a posterior's width, and their errors (Bhowal et al. 2024, section 4).

The thesis assumes that a decoder is locally linear, Dec(μ + ε) − Dec(μ) ≈ Mε. Bhowal et al. apply a non-linearity after the
matrix, f(Mε) (eqs. 8, 11 and 12). Here every approximation gets the same draws of ε, is fitted to its optimum, and is
evaluated on held-out draws:

    jacobian   Jε, the derivative at μ, without any fit
    linear     Mε, by least squares, in closed form
    tanh       tanh(Mε), as in the paper, by L-BFGS from the linear solution

None has a constant term, so zero noise predicts zero change. For mean images in [0, 1], in expectation over draws of ε:

    unexplained   E ‖Dec(μ + ε) − Dec(μ) − f(ε)‖² / E ‖Dec(μ + ε) − Dec(μ)‖², the unexplained share of the change (Table 1)
    predicted     E ‖f(ε)‖² / E ‖Dec(μ + ε) − Dec(μ)‖², the stochastic reconstruction loss that the approximation
                  predicts, over the actual one (eq. 7, A.8.2, Table 2)

A least-squares fit is orthogonal to its residual. On the fitted draws the best matrix therefore predicts exactly
1 − unexplained of the loss: by construction the prediction is too low, however good the fit. The derivative is free of
this bias.

(The authors' code differs from their paper: the linear network learns a thousand times more slowly than the other one, a
perfect fit would not score 0, and the Jacobian is taken at a draw and its norm is not squared.)
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from perturb.analysis.jacobians import jacobians

APPROXIMATIONS = "jacobian", "linear", "tanh"
LIMIT = 0.999
"""Changes are clamped to this magnitude before the inverse tanh that gives a starting point for L-BFGS."""
STEPS = 60
"""Maximum number of L-BFGS iterations."""


@dataclass(frozen=True)
class Approximated:
    """The quality of an approximation of a decoder around one posterior mean."""

    unexplained: float
    """Share of the decoder's change left unexplained: 0 for a perfect approximation, 1 for one that predicts no change, and
    above 1 for a worse one."""
    predicted: float
    """Predicted stochastic loss divided by the actual one, at least 0; 1 if they are equal."""


def approximated(
    decoder: Callable[[Tensor], Tensor],
    mean: Float[Tensor, " latents"],
    std: Float[Tensor, " latents"],
    *,
    train: int,
    test: int,
    generator: torch.Generator,
) -> dict[str, Approximated]:
    """Measure how well each approximation matches a decoder within a posterior's width.

    Args:
        decoder: Decoder from codes (n, latents) to mean images (n, ...) in [0, 1], as `jacobians` takes it.
        mean: Posterior mean.
        std: Posterior standard deviation.
        train: Number of draws of ε for the fits.
        test: Number of held-out draws on which the errors are measured.
        generator: Generator of the draws, on the CPU.

    Returns:
        The shares of each approximation on the held-out draws, by its name.

    """
    noise, changes = _local_changes(decoder, mean, std, draws=train + test, generator=generator)
    fitted, seen, held_out, truth = noise[:train], changes[:train], noise[train:], changes[train:]
    linear = torch.linalg.lstsq(fitted, seen).solution.contiguous()
    guesses = {
        "jacobian": held_out @ jacobians(decoder, mean[None])[0].mT,
        "linear": held_out @ linear,
        "tanh": torch.tanh(held_out @ _fitted_tanh(fitted, seen, linear)),
    }
    whole = truth.square().sum()
    return {
        name: Approximated(float((truth - guess).square().sum() / whole), float(guess.square().sum() / whole))
        for name, guess in guesses.items()
    }


def local_matrix(
    decoder: Callable[[Tensor], Tensor],
    mean: Float[Tensor, " latents"],
    std: Float[Tensor, " latents"],
    *,
    draws: int,
    generator: torch.Generator,
) -> Float[Tensor, "values latents"]:
    """Fit M of tanh(Mε), the linear part of the local non-linear decoder (eq. 8), to draws of a posterior's noise.

    The arguments are those of `approximated`, except that all `draws` draws are used for the fit.
    """
    noise, changes = _local_changes(decoder, mean, std, draws=draws, generator=generator)
    return _fitted_tanh(noise, changes, torch.linalg.lstsq(noise, changes).solution.contiguous()).mT


def _local_changes(
    decoder: Callable[[Tensor], Tensor], mean: Tensor, std: Tensor, *, draws: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw noise (draws, latents), and return it with the resulting changes of the decoded images (draws, values)."""
    noise = std * torch.randn(draws, len(mean), generator=generator, dtype=mean.dtype).to(mean.device)
    with torch.no_grad():
        return noise, (decoder(mean + noise) - decoder(mean[None])).flatten(1)


def _fitted_tanh(noise: Tensor, changes: Tensor, linear: Tensor) -> Tensor:
    """Return the matrix M (latents, pixels) whose tanh(εM) is nearest to changes (n, pixels)."""
    matrix = linear.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([matrix], max_iter=STEPS, line_search_fn="strong_wolfe")
    # Changes within (−1, 1) have an inverse tanh. A least-squares fit to it is the better start where changes are large.
    start = torch.linalg.lstsq(noise, torch.atanh(changes.clamp(-LIMIT, LIMIT))).solution
    losses = [(torch.tanh(noise @ one) - changes).square().sum() for one in (linear, start)]
    if losses[1] < losses[0]:
        matrix.data.copy_(start)

    def step() -> float:
        optimiser.zero_grad()
        loss = (torch.tanh(noise @ matrix) - changes).square().sum()
        loss.backward()
        return float(loss.detach())

    optimiser.step(step)
    return matrix.detach()
