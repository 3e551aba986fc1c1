"""Peers of our engine: the same β-VAE in a plain PyTorch loop, and as the package disent trains it."""

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from unittest.mock import MagicMock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

BETA, LATENTS, LEARNING_RATE = 4.0, 5, 1e-4
TORCHVISION_PARTS = "transforms", "transforms.functional", "datasets", "models", "models.detection"


def encoder(channels: int, outputs: int) -> nn.Sequential:
    """Return disentanglement_lib's network in torch's own layers."""
    return nn.Sequential(
        nn.Conv2d(channels, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 4, 2, 1), nn.ReLU(),
        nn.Conv2d(32, 64, 2, 2), nn.ReLU(), nn.Conv2d(64, 64, 2, 2), nn.ReLU(),
        nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, outputs),
    )  # fmt: skip


def decoder(channels: int, latents: int) -> nn.Sequential:
    """Return disentanglement_lib's network in torch's own layers."""
    return nn.Sequential(
        nn.Linear(latents, 256), nn.ReLU(), nn.Linear(256, 1024), nn.ReLU(), nn.Unflatten(1, (64, 4, 4)),
        nn.ConvTranspose2d(64, 64, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(32, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, channels, 4, 2, 1),
    )  # fmt: skip


class _Images:
    """Batches as a plain loop draws them: random indices into uint8 images in memory."""

    def __init__(self, images: np.ndarray, batch_size: int, device: str) -> None:
        self._images = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(device)
        self._batch_size = batch_size

    def __call__(self) -> Tensor:
        numbers = torch.randint(len(self._images), (self._batch_size,), device=self._images.device)
        return self._images[numbers].float() / 255


def plain_loop(images: np.ndarray, batch_size: int, device: str = "cpu") -> Callable[[], None]:
    """Return a step of an eager float32 loop."""
    channels, draw = images.shape[-1], _Images(images, batch_size, device)
    model = nn.ModuleDict({"encoder": encoder(channels, 2 * LATENTS), "decoder": decoder(channels, LATENTS)}).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)

    def step() -> None:
        batch = draw()
        mean, logvar = model["encoder"](batch).chunk(2, dim=1)
        logits = model["decoder"](mean + torch.exp(logvar / 2) * torch.randn_like(mean))
        reconstruction = functional.binary_cross_entropy_with_logits(logits, batch, reduction="sum") / len(batch)
        kl = 0.5 * (mean.square() + logvar.exp() - logvar - 1).sum(dim=1).mean()
        optimiser.zero_grad()
        (reconstruction + BETA * kl).backward()
        optimiser.step()

    return step


def disent_loop(images: np.ndarray, batch_size: int) -> Callable[[], None] | None:
    """Return a step of disent's BetaVae on the same layers; None if disent is not installed."""
    _make_torchvision_importable()
    try:
        from disent.frameworks.vae import BetaVae
        from disent.model import AutoEncoder, DisentDecoder, DisentEncoder
    except ImportError:
        return None

    channels, draw = images.shape[-1], _Images(images, batch_size, "cpu")
    shape = (channels, *images.shape[1:3])

    class Encoder(DisentEncoder):
        def __init__(self) -> None:
            super().__init__(x_shape=shape, z_size=LATENTS, z_multiplier=2)
            self.layers = encoder(channels, 2 * LATENTS)

        def encode(self, x: Tensor) -> Tensor:
            return self.layers(x)

    class Decoder(DisentDecoder):
        def __init__(self) -> None:
            super().__init__(x_shape=shape, z_size=LATENTS, z_multiplier=1)
            self.layers = decoder(channels, LATENTS)

        def decode(self, z: Tensor) -> Tensor:
            return self.layers(z)

    settings = BetaVae.cfg(
        optimizer="adam",
        optimizer_kwargs={"lr": LEARNING_RATE},
        loss_reduction="mean_sum",
        recon_loss="bce",
        beta=BETA,
    )
    framework = BetaVae(model=AutoEncoder(encoder=Encoder(), decoder=Decoder()), cfg=settings)
    framework.log = framework.log_dict = lambda *_, **__: None
    optimiser = torch.optim.Adam(framework.parameters(), lr=LEARNING_RATE)

    def step() -> None:
        batch = draw()
        loss = framework.training_step({"x_targ": (batch,)}, 0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def _make_torchvision_importable() -> None:
    """Stub out torchvision, which disent imports without need; its PyPI wheels do not load with CPU builds of torch."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        for name in [name for name in sys.modules if name.split(".")[0] in ("torchvision", "torchmetrics")]:
            del sys.modules[name]
        for name in ("torchvision", *(f"torchvision.{part}" for part in TORCHVISION_PARTS)):
            sys.modules[name] = MagicMock(__spec__=ModuleSpec(name, None), __path__=[])
