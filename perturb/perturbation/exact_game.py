"""The thesis's game with decoders replaced by their optimum in closed form (form `literal_exact`).

The optimal decoder of a code z returns E[t | z]. For N images with posteriors q(z | i) this is
Σ_j q(z | j) t_j / Σ_k q(z | k), which is linear in the targets. In expectation over an image's codes it is the operator K
with K_ij = E_{z ~ q(· | i)} q(z | j) / Σ_k q(z | k). So the objective of game.py is
mean_ent (E‖t‖² − ⟨t, K t⟩) − mean_dis (…) = −⟨t, (K_ent − K_dis) t⟩, where t = x′ and inner products average over images.
K depends on the frozen encoders only. Targets are means over 8 × 8 cells, which represent a coarse pattern completely.
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
"""The largest grid that this form accepts, since its operator has an entry for each pair of images."""
BATCH = 1_024


def explained(mean: Tensor, std: Tensor, *, samples: int, generator: torch.Generator) -> Tensor:
    """Return K, float32 (images, images) with rows that sum to 1, for posteriors with mean and std (images, latents).

    The expectation over each image's posterior is estimated from `samples` codes.
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
    """Training of m_ψ against two ensembles whose decoders are at their optimum.

    Args:
        config: Settings: ε, bound, learning rate and weight of the coverage term.
        network: The network m_ψ, changed in place.
        difference: The difference K_ent − K_dis, where each K is the mean over its ensemble, (images, images).
        pixels: All original images of the grid.
        grid: Factor grid of the images.
        device: Device of the network.

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
        """Make one step of ψ on all images.

        The logged `gap` is the loss of the disentangled side minus that of the entangled side.
        """
        pattern = self.network.coarse_pattern(self._factors)
        target = self._images.pooled(pattern)
        gap = (target * (self._difference @ target)).sum() / len(target)
        raise_objective(
            gap, self.network, self._factors, self.optimisers["psi"], coverage=self.config.coverage
        )  # fmt: skip
        return {"gap": gap.item()}, pattern.detach()

    def held(self) -> Tensors:
        """Return an empty state, because steps are deterministic."""
        return {}

    def take_back(self, held: Tensors) -> None:
        """Do nothing, because `held` returns an empty state."""


def mean_operator(operators: Sequence[Tensor]) -> Tensor:
    """Return the mean of an ensemble's operators, (images, images)."""
    return torch.stack(list(operators)).mean(dim=0)
