"""How evenly the scalar of m_ψ follows the factors, while it is trained: one that leaves a factor out does not mix it."""

from torch import Tensor

from perturb.perturbation.network import PerturbationNetwork

SMALLEST = 1e-12


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
