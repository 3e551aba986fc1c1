"""Simple functions in place of a decoder within a posterior's width, and their errors (Bhowal et al. 2024, section 4).

The thesis takes a decoder to be linear there, Dec(μ + ε) − Dec(μ) ≈ Mε; Bhowal et al. put a non-linearity behind the matrix,
f(Mε) (eqs. 8, 11 and 12). Here every approximation sees the same draws of ε, is fitted to its optimum, and is judged on
draws that it has not seen:

    jacobian   Jε, the derivative at μ: fitted to nothing
    linear     Mε, by least squares, in closed form
    tanh       tanh(Mε), as in the paper, by L-BFGS from the linear solution

None has a constant, so that no noise changes nothing. Of mean images in [0, 1], over draws of ε:

    unexplained   E ‖Dec(μ + ε) − Dec(μ) − f(ε)‖² / E ‖Dec(μ + ε) − Dec(μ)‖², the share of the change that is left (Table 1)
    predicted     E ‖f(ε)‖² / E ‖Dec(μ + ε) − Dec(μ)‖², the stochastic part of the reconstruction's loss that the
                  approximation predicts over the one that there is (eq. 7, A.8.2, Table 2)

A fit by least squares is orthogonal to what it leaves, so that of the draws which are fitted the best matrix predicts just
1 − unexplained of the loss: it is too low by construction, however good it is. The derivative is free of that.

(The authors' code differs from their paper: the linear network learns a thousand times slower than the other one, a perfect
fit would not score 0, and the Jacobian is taken at a draw and its norm not squared.)
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from perturb.analysis.jacobians import jacobians

APPROXIMATIONS = "jacobian", "linear", "tanh"
LIMIT = 0.999
"""Largest value whose inverse tanh is taken, to start L-BFGS from."""
STEPS = 60
"""Iterations of L-BFGS at most."""


@dataclass(frozen=True)
class Approximated:
    """Measures of how well an approximation stands for a decoder around one posterior mean."""

    unexplained: float
    """Share of the decoder's change that is left unexplained: 0 for a perfect approximation, 1 for one that predicts no
    change, and more for a worse one."""
    predicted: float
    """Predicted stochastic loss divided by the actual one, at least 0; 1 where both are equal."""


def approximated(
    decoder: Callable[[Tensor], Tensor],
    mean: Float[Tensor, " latents"],
    std: Float[Tensor, " latents"],
    *,
    train: int,
    test: int,
    generator: torch.Generator,
) -> dict[str, Approximated]:
    """Measure how well each approximation stands for a decoder within a posterior's width.

    Args:
        decoder: codes (n, latents) → mean images (n, ...) in [0, 1]; as `jacobians` takes it.
        mean: of the posterior.
        std: of the posterior.
        train: draws of ε that are fitted.
        test: draws on which the errors are measured.
        generator: of the draws.

    Returns:
        Approximation → its shares, on the held-out draws.

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

    Arguments as `approximated`; of `draws` draws all are fitted.
    """
    noise, changes = _local_changes(decoder, mean, std, draws=draws, generator=generator)
    return _fitted_tanh(noise, changes, torch.linalg.lstsq(noise, changes).solution.contiguous()).mT


def _local_changes(
    decoder: Callable[[Tensor], Tensor], mean: Tensor, std: Tensor, *, draws: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw noise, (draws, latents), and return it with the changes that it makes to the images drawn, (draws, values)."""
    noise = std * torch.randn(draws, len(mean), generator=generator, dtype=mean.dtype)
    with torch.no_grad():
        return noise, (decoder(mean + noise) - decoder(mean[None])).flatten(1)


def _fitted_tanh(noise: Tensor, changes: Tensor, linear: Tensor) -> Tensor:
    """The matrix (latents, pixels) whose tanh(εM) comes nearest to changes (n, pixels)."""
    matrix = linear.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([matrix], max_iter=STEPS, line_search_fn="strong_wolfe")
    # A change within (−1, 1) has an inverse tanh, whose least squares start nearer where changes are large.
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
