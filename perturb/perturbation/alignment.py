"""Objectives of m_ψ without a game: make the axes of disentangled codes expensive (our forms `alignment…`).

After retraining, a VAE's axes depend on which axes are cheapest once its posterior widths can change again
(local_metric.py). So ψ is trained on that cost directly. Let D(codes) be the saving from rotating the axes on the modified
images, averaged over smoothing widths. The forms minimise

alignment            −D(disentangled codes)
alignment_contrast   D(entangled codes) − D(disentangled codes), the closest to the thesis's two ensembles
alignment_factors    −D(the factors themselves), an upper bound: no model is involved, so its pattern is not adversarial

The codes are the frozen encoders' means of the *original* images. No decoder is involved; each step is linear algebra.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from perturb.config import PerturbationConfig
from perturb.datasets.ground_truth import FactorGrid
from perturb.datasets.pixels import Pixels
from perturb.perturbation.coverage import raise_objective
from perturb.perturbation.local_metric import gain_of_turning, mean_metric, slopes_at
from perturb.perturbation.network import PerturbationNetwork
from perturb.perturbation.pooling import Movable
from perturb.perturbation.span import principal_directions
from perturb.perturbation.training import adam
from perturb.random.seeds import numpy_generator
from perturb.training.checkpoint import Tensors

POOL = 20_000
"""Maximum number of images to encode; points are drawn from these."""


@dataclass(frozen=True)
class Codes:
    """One model's standardised codes of the images that a training draws from."""

    values: Tensor
    """The codes, float32 (images, latents)."""
    weight: float
    """Weight of their saving in ψ's objective: positive if ψ raises it, negative if ψ lowers it. The absolute weights of
    each kind sum to 1."""


def pool_of(grid: FactorGrid, seed: int) -> np.ndarray:
    """Return the indices of the images to encode, ascending: the whole grid, or 20,000 random images from it."""
    if len(grid) <= POOL:
        return np.arange(len(grid))
    return np.sort(numpy_generator(seed, "pool").choice(len(grid), POOL, replace=False))


class Alignment:
    """Training of m_ψ against the axes of frozen codes.

    Args:
        config: Settings: the form, ε, and the section `alignment`.
        network: The network m_ψ, changed in place.
        codes: Codes of the images in the pool.
        pool: Indices of the encoded images, (images,).
        pixels: The original images.
        grid: Factor grid of the images.
        generator: Generator that draws points and anchors, on the CPU.
        device: Device of the network.

    """

    def __init__(
        self,
        config: PerturbationConfig,
        network: PerturbationNetwork,
        codes: Sequence[Codes],
        *,
        pool: np.ndarray,
        pixels: Pixels,
        grid: FactorGrid,
        generator: torch.Generator,
        device: str,
    ) -> None:
        self.config, self.network, self.codes = config, network.to(device), codes
        self.pool, self.pixels, self.grid, self.generator, self.device = pool, pixels, grid, generator, device
        self.networks = nn.ModuleDict({"psi": network})
        self.optimisers = {"psi": adam(network.parameters(), config.learning_rate)}
        self._chosen = self._anchors = torch.empty(0, dtype=torch.int64)
        self._operators: list[tuple[float, Tensor]] = []
        spanned = config.alignment.in_span
        self._directions = principal_directions(pixels, grid).to(device) if spanned else None

    def update(self, step: int) -> tuple[dict[str, float], Tensor]:
        """Make one step of ψ, on new points every `redraw_every` steps.

        The logged `gain` is the saving from rotating the axes.
        """
        if (step - 1) % self.config.alignment.redraw_every == 0:
            self._draw()
        elif not self._operators:
            self._prepare()
        pattern = self.network.coarse_pattern(self._factors)
        images = self._images.pooled(pattern)
        if self._directions is not None:
            images = images @ self._directions.T
        gains = [
            weight * gain_of_turning(mean_metric(slopes, images), self.config.alignment.price)
            for weight, slopes in self._operators
        ]
        gain = torch.stack(gains).sum() / len(self.config.alignment.widths)
        raise_objective(
            gain, self.network, self._factors, self.optimisers["psi"], coverage=self.config.coverage
        )  # fmt: skip
        return {"gain": gain.item()}, pattern.detach()

    def held(self) -> Tensors:
        """Return the state of the generator, and the current points and anchors."""
        return {"generator": self.generator.get_state(), "points": self._chosen, "anchors": self._anchors}

    def take_back(self, held: Tensors) -> None:
        """Restore the generator, and the current points and anchors."""
        self.generator.set_state(held["generator"])
        self._chosen, self._anchors = held["points"], held["anchors"]

    def _draw(self) -> None:
        """Draw new points, and new anchors among them."""
        settings = self.config.alignment
        self._chosen = torch.randperm(len(self.pool), generator=self.generator)[: settings.points]
        self._anchors = torch.randperm(len(self._chosen), generator=self.generator)[: settings.anchors]
        self._prepare()

    def _prepare(self) -> None:
        """Prepare images, factors and operators for the current points; they stay fixed until new points are drawn."""
        numbers = self.pool[self._chosen.numpy()]
        images = self.pixels.batch(numbers, device=self.device)
        self._images = Movable(images, epsilon=self.config.epsilon, bound=self.config.bound)
        self._factors = torch.from_numpy(self.grid.scaled(numbers)).to(self.device)
        self._operators = []
        for codes in self.codes:
            values = codes.values[self._chosen].to(self.device)
            for width in self.config.alignment.widths:
                self._operators.append((codes.weight, slopes_at(values[self._anchors], values, width)))
