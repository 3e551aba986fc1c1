"""m_ψ's objective without a game: make the axes of disentangled codes expensive (our forms `alignment…`).

What a VAE's axes do after retraining is decided by which axes are cheapest once the widths of its posterior are free again
(local_metric.py). So ψ is trained on that directly. With D(codes) the mean over smoothing widths of what turning the axes
would save on the modified images, the forms minimise

alignment            −D(disentangled codes)
alignment_contrast   D(entangled codes) − D(disentangled codes), the nearest to the thesis's two ensembles
alignment_factors    −D(the factors themselves), an upper bound: no model is involved, so a pattern of it is no adversary

all three with the frozen encoders' means of the *original* images. No decoder plays; a step is linear algebra.
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
"""The largest number of images that are encoded; points are drawn from them."""


@dataclass(frozen=True)
class Codes:
    """Standardised codes of the images that a training draws from."""

    values: Tensor
    """The codes, float32 (images, latents)."""
    weight: float
    """Positive where ψ raises what turning their axes would save, negative where it lowers it; 1 in all for each kind."""


def pool_of(grid: FactorGrid, seed: int) -> np.ndarray:
    """Numbers of the images that get codes, ascending: the whole grid, or 20,000 images of it."""
    if len(grid) <= POOL:
        return np.arange(len(grid))
    return np.sort(numpy_generator(seed, "pool").choice(len(grid), POOL, replace=False))


class Alignment:
    """m_ψ against the axes of frozen codes.

    Args:
        config: form, ε, and the section `alignment`.
        network: m_ψ, changed in place.
        codes: of the pool.
        pool: numbers of the images that have codes, (images,).
        pixels: original images.
        grid: their factors.
        generator: draws points and anchors, on the CPU.
        device: where the network lives.

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
        """One step of ψ, on fresh points every so often. Noted is the `gain`, what turning the axes would save."""
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
        """Return the state of the generator, and the points and anchors in use."""
        return {"generator": self.generator.get_state(), "points": self._chosen, "anchors": self._anchors}

    def take_back(self, held: Tensors) -> None:
        """Restore the generator, and the points and anchors in use."""
        self.generator.set_state(held["generator"])
        self._chosen, self._anchors = held["points"], held["anchors"]

    def _draw(self) -> None:
        """Other points, and other anchors among them."""
        settings = self.config.alignment
        self._chosen = torch.randperm(len(self.pool), generator=self.generator)[: settings.points]
        self._anchors = torch.randperm(len(self._chosen), generator=self.generator)[: settings.anchors]
        self._prepare()

    def _prepare(self) -> None:
        """Images, factors and operators of the points in use: fixed until others are drawn."""
        numbers = self.pool[self._chosen.numpy()]
        images = self.pixels.batch(numbers, device=self.device)
        self._images = Movable(images, epsilon=self.config.epsilon, bound=self.config.bound)
        self._factors = torch.from_numpy(self.grid.scaled(numbers)).to(self.device)
        self._operators = []
        for codes in self.codes:
            values = codes.values[self._chosen].to(self.device)
            for width in self.config.alignment.widths:
                self._operators.append((codes.weight, slopes_at(values[self._anchors], values, width)))
