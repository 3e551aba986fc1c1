"""The selected models in the training of m_ψ: frozen posteriors of the original images."""

import numpy as np
import torch
from torch import Tensor

from perturb.datasets.pixels import Pixels
from perturb.objectives import Objective
from perturb.objectives.encode import encode


class FrozenEncoder:
    """Posterior means and standard deviations of the whole dataset, encoded lazily and cached."""

    def __init__(self, objective: Objective, pixels: Pixels, latents: int) -> None:
        self._objective, self._pixels = objective, pixels
        self._known = np.zeros(len(pixels), dtype=bool)
        self._mean = np.empty((len(pixels), latents), dtype=np.float32)
        self._std = np.empty_like(self._mean)

    def sample(self, indices: Tensor, count: int, *, generator: torch.Generator) -> Tensor:
        """Sample codes by reparameterisation, float32 (count, n, latents), for image indices (n,)."""
        numbers = indices.numpy()
        missing = np.unique(numbers[~self._known[numbers]])
        if len(missing):
            mean, logvar = encode(self._objective, self._pixels, missing)
            self._mean[missing], self._std[missing] = mean, np.exp(logvar / 2)
            self._known[missing] = True
        mean, std = torch.from_numpy(self._mean[numbers]), torch.from_numpy(self._std[numbers])
        return mean + std * torch.randn((count, *mean.shape), generator=generator)

    def known(self) -> dict[str, Tensor]:
        """Return the cached posteriors: image indices as `numbers` (k,), with `mean` and `std` (k, latents).

        A resumed training needs exactly these values. Encoding the images again in other batches could round differently.
        """
        numbers = np.flatnonzero(self._known)
        arrays = {"numbers": numbers, "mean": self._mean[numbers], "std": self._std[numbers]}
        return {name: torch.from_numpy(values) for name, values in arrays.items()}

    def remember(self, known: dict[str, Tensor]) -> None:
        """Restore the cached posteriors that `known` returned."""
        numbers = known["numbers"].numpy()
        self._mean[numbers], self._std[numbers], self._known[numbers] = known["mean"].numpy(), known["std"].numpy(), True
