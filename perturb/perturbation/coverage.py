"""A penalty for a scalar that leaves a factor out, which it then does not mix."""

import torch
from torch import Tensor

from perturb.perturbation.network import PerturbationNetwork

SMALLEST = 1e-12


def raise_objective(
    objective: Tensor, network: PerturbationNetwork, factors: Tensor, optimiser: torch.optim.Optimizer, *, coverage: float
) -> None:
    """Make one step of ψ that raises an objective, and with the weight `coverage` the entropy of the scalar's effects.

    Args:
        objective: a scalar that depends on ψ.
        network: m_ψ.
        factors: of the batch, (n, factors), scaled.
        optimiser: of ψ.
        coverage: weight of the entropy, in units of the objective a nat; 0 leaves it out.

    """
    if coverage:
        objective = objective + coverage * entropy_of_effects(network, factors)
    optimiser.zero_grad()
    (-objective).backward()
    optimiser.step()


def entropy_of_effects(network: PerturbationNetwork, factors: Tensor) -> Tensor:
    """Entropy in nats of the scalar's linear effects as shares of their sum; differentiable, at most log(factors).

    The linear effect of a factor is what its slope explains of the scalar's variance. Total effects would not do: a jitter
    along a factor raises them, and a VAE, whose posteriors are wide while its axes settle, does not see it.

    Args:
        network: m_ψ.
        factors: (n, factors), scaled, of images drawn at random, so that factors are independent.

    """
    scalar = network.neuron(factors)
    centred = factors - factors.mean(dim=0)
    covariance = (centred * (scalar - scalar.mean())).mean(dim=0)
    effects = covariance.square() / centred.square().mean(dim=0).clamp(min=SMALLEST)
    shares = effects / (effects.sum() + SMALLEST)
    return -(shares * (shares + SMALLEST).log()).sum()
