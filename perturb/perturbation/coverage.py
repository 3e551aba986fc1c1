"""A penalty for a scalar that ignores a factor: such a scalar cannot mix it with others."""

import torch
from torch import Tensor

from perturb.perturbation.network import PerturbationNetwork

SMALLEST = 1e-12


def raise_objective(
    objective: Tensor, network: PerturbationNetwork, factors: Tensor, optimiser: torch.optim.Optimizer, *, coverage: float
) -> None:
    """Make one step of ψ that increases an objective plus `coverage` times the entropy of the scalar's effects.

    Args:
        objective: A scalar tensor that depends on ψ.
        network: The network m_ψ.
        factors: Scaled factors of the batch, (n, factors).
        optimiser: Optimiser of ψ.
        coverage: Weight of the entropy, in units of the objective per nat; 0 leaves it out.

    """
    if coverage:
        objective = objective + coverage * entropy_of_effects(network, factors)
    optimiser.zero_grad()
    (-objective).backward()
    optimiser.step()


def entropy_of_effects(network: PerturbationNetwork, factors: Tensor) -> Tensor:
    """Return the entropy in nats of the scalar's linear effects, normalised to sum 1; differentiable, at most log(factors).

    The linear effect of a factor is the part of the scalar's variance that its slope explains. Total effects would not work:
    jitter along a factor raises them, but a VAE does not see it, because its posteriors are wide while its axes settle.

    Args:
        network: The network m_ψ.
        factors: Scaled factors (n, factors) of randomly drawn images, so that factors are independent.

    """
    scalar = network.neuron(factors)
    centred = factors - factors.mean(dim=0)
    covariance = (centred * (scalar - scalar.mean())).mean(dim=0)
    effects = covariance.square() / centred.square().mean(dim=0).clamp(min=SMALLEST)
    shares = effects / (effects.sum() + SMALLEST)
    return -(shares * (shares + SMALLEST).log()).sum()
