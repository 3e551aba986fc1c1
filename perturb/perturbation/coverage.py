"""How evenly the scalar of m_ψ follows the factors, while it is trained: a scalar of one factor cannot mix any."""

import torch
from torch import Tensor

from perturb.perturbation.network import PerturbationNetwork

MOST = 512
"""Images behind an estimate."""


def entropy_of_effects(network: PerturbationNetwork, factors: Tensor, *, generator: torch.Generator) -> Tensor:
    """Entropy in nats of the scalar's total (Sobol) effects as shares of their sum; differentiable, at most log(factors).

    A total effect is half the mean square by which the scalar changes when one factor is drawn anew (Jansen 1999); here it
    is taken from another image of the batch.

    Args:
        network: m_ψ.
        factors: (n, factors), scaled; at most the first 512 of a random order are used.
        generator: shuffles, on the CPU.

    """
    chosen = factors[torch.randperm(len(factors), generator=generator)[:MOST].to(factors.device)]
    other = chosen.roll(1, dims=0)
    scalar = network.neuron(chosen)
    effects = []
    for column in range(factors.shape[1]):
        changed = chosen.clone()
        changed[:, column] = other[:, column]
        effects.append((scalar - network.neuron(changed)).square().mean())
    shares = torch.stack(effects) / torch.stack(effects).sum()
    return -(shares * (shares + 1e-12).log()).sum()
