"""What a training loop needs to know of a method."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from perturb.config import ObjectiveConfig, TrainingConfig
from perturb.models import ARCHITECTURES, glorot_uniform_
from perturb.objectives.losses import Posterior


class Objective(ABC):
    """Networks, optimisers and one update, for one restart of one method.

    Args:
        config: the method's own settings.
        training: architecture, learning rate, precision.
        channels: of the images.
        latents: size of the code.
        generator: draws the initial weights, on the CPU whatever the device.
        device: where the networks live.

    """

    def __init__(
        self,
        config: ObjectiveConfig,
        training: TrainingConfig,
        *,
        channels: int,
        latents: int,
        generator: torch.Generator,
        device: str,
    ) -> None:
        self.config = config
        self.training = training
        self.device = torch.device(device)
        architecture = ARCHITECTURES[training.architecture]
        self.networks = nn.ModuleDict(
            {"encoder": architecture.encoder(channels, latents), "decoder": architecture.decoder(channels, latents)}
        )
        glorot_uniform_(self.networks, generator=generator)
        self.networks.to(self.device, memory_format=torch.channels_last)
        self.optimisers = {"adam": self._adam(self.networks.parameters(), training.learning_rate)}

    def _adam(self, parameters: Iterator[nn.Parameter], learning_rate: float) -> torch.optim.Adam:
        return torch.optim.Adam(parameters, lr=learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True)

    @contextmanager
    def _precision(self) -> Iterator[None]:
        """Autocast to bfloat16 when the config asks for it."""
        enabled = self.training.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=enabled):
            yield

    def posterior(self, images: Tensor) -> Posterior:
        """Posterior of images (n, channels, height, width) in [0, 1]."""
        with self._precision():
            statistics = self.networks["encoder"](images)
        return Posterior(*statistics.float().chunk(2, dim=1))

    def logits(self, codes: Tensor) -> Tensor:
        """Decoder's logits (n, channels, height, width), float32, of codes (n, latents)."""
        with self._precision():
            logits = self.networks["decoder"](codes)
        return logits.float()

    @abstractmethod
    def losses(self, images: Tensor, *, generator: torch.Generator) -> dict[str, Tensor]:
        """Scalar terms in nats per image; the one named "loss" is minimised. `generator` draws the noise, on the CPU."""

    def update(self, images: Tensor, *, generator: torch.Generator) -> dict[str, Tensor]:
        """One step of every optimiser; the terms before it, detached."""
        losses = self.losses(images, generator=generator)
        self.optimisers["adam"].zero_grad()
        losses["loss"].backward()
        self.optimisers["adam"].step()
        return {name: value.detach() for name, value in losses.items()}
