"""A typical β-VAE as a LightningModule, trained by Lightning's own Trainer.

    pip install lightning
    perturb evaluate lightning_vae:make --seeds 5

`VAE` does not depend on perturb; replace it with any LightningModule whose batches are pairs (images, factors).
`LightningVAE` adds the two methods that perturb calls. Lightning draws weights and batches from torch's global generator,
which perturb seeds for each run, so a seed gets the same batches on every variant.
"""

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from perturb.external import BenchmarkImages

STEPS, BATCH_SIZE = 1_000, 32


class VAE(lightning.LightningModule):
    """Encode images (n, channels, 32, 32) in [0, 1] to codes (n, latents), and decode codes.

    Args:
        channels: number of channels of the images.
        latents: number of latents.
        beta: weight of the KL term.
        learning_rate: learning rate of Adam.

    """

    def __init__(self, channels: int, latents: int, beta: float = 16.0, learning_rate: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(),
            nn.Conv2d(32, 32, 4, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 2 * latents),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latents, 512), nn.ReLU(), nn.Unflatten(1, (32, 4, 4)), nn.ConvTranspose2d(32, 32, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, channels, 4, 2, 1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Return posterior means (n, latents)."""
        return self.encoder(images).chunk(2, dim=1)[0]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return reconstruction + β · KL in nats per image, ()."""
        images, _ = batch
        mean, logvar = self.encoder(images).chunk(2, dim=1)
        codes = mean + torch.exp(logvar / 2) * torch.randn_like(mean)
        reconstruction = functional.binary_cross_entropy_with_logits(self.decoder(codes), images, reduction="sum")
        kl = 0.5 * (mean.square() + logvar.exp() - logvar - 1).sum()
        loss = (reconstruction + self.hparams["beta"] * kl) / len(images)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam as the optimiser."""
        return torch.optim.Adam(self.parameters(), lr=self.hparams["learning_rate"])


class LightningVAE:
    """Wrapper that gives a LightningModule the methods `fit` and `encode`.

    Args:
        module: a module whose `forward` returns codes.
        steps: number of training steps.

    """

    def __init__(self, module: lightning.LightningModule, steps: int) -> None:
        self.module, self.steps = module, steps
        self.settings = dict(module.hparams) | {"steps": steps, "batch_size": BATCH_SIZE}

    def fit(self, dataset: BenchmarkImages, seed: int) -> None:
        """Train on the images of a variant; the module ignores the factors."""
        trainer = lightning.Trainer(
            max_steps=self.steps, max_epochs=-1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(self.module, DataLoader(dataset, BATCH_SIZE, shuffle=True))
        self.module.eval()

    def encode(self, images: Tensor) -> Tensor:
        """Return codes (n, latents) of images (n, channels, height, width) in [0, 1]."""
        return self.module(images.to(self.module.device))


def make(image_shape: tuple[int, int, int], num_factors: int, steps: int = STEPS) -> LightningVAE:
    """A β-VAE as a LightningModule."""
    return LightningVAE(VAE(image_shape[0], num_factors), steps)
