"""The thesis's game without its decoders: they are put at their optimum, once (form `literal_exact`).

The best decoder of a code z answers E[t | z]. With N images and posteriors q(z | i) that is Σ_j q(z | j) t_j / Σ_k q(z | k),
linear in the targets: the operator K with K_ij = E_{z ~ q(· | i)} q(z | j) / Σ_k q(z | k). So the objective of game.py
is mean_ent (E‖t‖² − ⟨t, K t⟩) − mean_dis (…) = −⟨t, (K_ent − K_dis) t⟩, with t = x′ and inner products that average over
images. K depends on the frozen encoders alone. Targets are means of 8 × 8 cells, which is all of a coarse pattern.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from perturb.config import PerturbationConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.perturbation.coverage import raise_objective
from perturb.perturbation.network import PerturbationNetwork
from perturb.perturbation.pooling import Movable
from perturb.perturbation.training import adam
from perturb.training.checkpoint import Tensors

MOST_IMAGES = 16_384
"""The largest grid that the form accepts: its operator has an entry for each pair of images."""
BATCH = 1_024


def explained(mean: Tensor, std: Tensor, *, samples: int, generator: torch.Generator) -> Tensor:
    """K, float32 (images, images), rows summing to 1, of posteriors with means and deviations (images, latents).

    `samples` codes an image stand for the expectation over its posterior.
    """
    total = torch.zeros(len(mean), len(mean))
    precision, logs = std**-2, std.log().sum(dim=1)
    for _ in range(samples):
        codes = mean + std * torch.randn(mean.shape, generator=generator)
        for rows in torch.arange(len(mean)).split(BATCH):
            z = codes[rows]
            squares = z.square() @ precision.T - 2 * z @ (mean * precision).T + (mean.square() * precision).sum(dim=1)
            total[rows] += torch.softmax(-squares / 2 - logs, dim=1)
    return total / samples


class ExactGame:
    """m_ψ against two ensembles whose decoders are at their optimum.

    Args:
        config: ε, bound, learning rate, weight of coverage.
        network: m_ψ, changed in place.
        difference: K_ent − K_dis, each the mean over its ensemble, (images, images).
        pixels: original images, all of the grid.
        grid: their factors.
        device: where the network lives.

    """

    def __init__(
        self,
        config: PerturbationConfig,
        network: PerturbationNetwork,
        difference: Tensor,
        *,
        pixels: Pixels,
        grid: FactorGrid,
        device: str,
    ) -> None:
        self.config, self.network = config, network.to(device)
        self.networks = nn.ModuleDict({"psi": network})
        self.optimisers = {"psi": adam(network.parameters(), config.learning_rate)}
        self._difference = ((difference + difference.T) / 2).to(device)
        numbers = np.arange(len(grid))
        self._factors = torch.from_numpy(grid.scaled(numbers)).to(device)
        self._images = Movable(pixels.batch(numbers, device=device), epsilon=config.epsilon, bound=config.bound)

    def update(self, step: int) -> tuple[dict[str, float], Tensor]:
        """One step of ψ on all images. Noted is the `gap`, the disentangled side's loss less the entangled side's."""
        pattern = self.network.coarse_pattern(self._factors)
        target = self._images.pooled(pattern)
        gap = (target * (self._difference @ target)).sum() / len(target)
        raise_objective(
            gap, self.network, self._factors, self.optimisers["psi"], coverage=self.config.coverage
        )  # fmt: skip
        return {"gap": gap.item()}, pattern.detach()

    def held(self) -> Tensors:
        """Nothing: a step draws nothing."""
        return {}

    def take_back(self, held: Tensors) -> None:
        """Restore nothing, as `held` returned nothing."""


def mean_operator(operators: Sequence[Tensor]) -> Tensor:
    """The mean of the operators of an ensemble, (images, images)."""
    return torch.stack(list(operators)).mean(dim=0)
