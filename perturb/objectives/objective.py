"""What a training loop needs to know of a method."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from perturb.config import ObjectiveConfig, TrainingConfig
from perturb.draws import Draws
from perturb.models import ARCHITECTURES, glorot_uniform_
from perturb.objectives.losses import Posterior
from perturb.seeding import torch_generator

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Objective(ABC):
    """Networks, optimisers and one update, for some restarts of one method that know nothing of each other.

    Weights, images, codes and losses have the restart as their first axis (perturb/models/layers.py).

    Args:
        config: the method's own settings.
        training: architecture, learning rate, precision.
        channels: of the images.
        latents: size of the code.
        seeds: one for each restart; its initial weights follow from it, on the CPU whatever the device.
        device: where the networks live.

    """

    def __init__(
        self,
        config: ObjectiveConfig,
        training: TrainingConfig,
        *,
        channels: int,
        latents: int,
        seeds: Sequence[int],
        device: str,
    ) -> None:
        self.config = config
        self.training = training
        self.device = torch.device(device)
        self.restarts = len(seeds)
        self._dtype = PRECISIONS[training.precision]
        architecture, sizes = ARCHITECTURES[training.architecture], (self.restarts, channels, latents)
        self.networks = nn.ModuleDict({"encoder": architecture.encoder(*sizes), "decoder": architecture.decoder(*sizes)})
        glorot_uniform_(self.networks, generators=[torch_generator(seed, "weights") for seed in seeds])
        self.networks.to(self.device)
        self.optimisers = {"adam": self._adam(self.networks.parameters(), training.learning_rate)}

    def _adam(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Adam:
        return torch.optim.Adam(parameters, lr=learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True)

    def posterior(self, images: Tensor) -> Posterior:
        """Posterior of images (restarts, n, height, width, channels) in [0, 1]."""
        statistics = self.networks["encoder"](images.to(self._dtype)).float()
        return Posterior(*statistics.chunk(2, dim=2))

    def logits(self, codes: Tensor) -> Tensor:
        """Decoder's logits (restarts, n, height, width, channels), float32, of codes (restarts, n, latents)."""
        return self.networks["decoder"](codes.to(self._dtype)).float()

    @abstractmethod
    def losses(self, images: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Terms in nats per image, each (restarts,); the one named "loss" is minimised. Noise comes from `draws`."""

    def update(self, images: Tensor, draws: Draws) -> dict[str, Tensor]:
        """One step of every optimiser; the terms before it, detached."""
        losses = self.losses(images, draws)
        self.optimisers["adam"].zero_grad()
        losses["loss"].sum().backward()
        self.optimisers["adam"].step()
        return {name: value.detach() for name, value in losses.items()}
