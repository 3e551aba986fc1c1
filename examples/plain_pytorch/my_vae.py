"""A plain PyTorch β-VAE with a module, a loss and an encoder. perturb's own loop trains it.

perturb evaluate my_vae:make --steps 1000 --learning-rate 1e-3 --seeds 5
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

LATENTS = 4


class MyVAE(nn.Module):
    """Encode images (n, 3, 32, 32) in [0, 1] to codes (n, 4), and decode codes.

    Args:
        beta: weight of the KL term.

    """

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.settings = {"beta": beta, "latents": LATENTS}
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(),
            nn.Conv2d(32, 32, 4, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 2 * LATENTS),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(LATENTS, 512), nn.ReLU(), nn.Unflatten(1, (32, 4, 4)), nn.ConvTranspose2d(32, 32, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1),
        )  # fmt: skip

    def loss(self, batch: Tensor) -> Tensor:
        """Return reconstruction + β · KL in nats per image, ()."""
        mean, logvar = self.encoder(batch).chunk(2, dim=1)
        codes = mean + torch.exp(logvar / 2) * torch.randn_like(mean)
        reconstruction = functional.binary_cross_entropy_with_logits(self.decoder(codes), batch, reduction="sum")
        kl = 0.5 * (mean.square() + logvar.exp() - logvar - 1).sum()
        return (reconstruction + self.settings["beta"] * kl) / len(batch)

    def encode(self, images: Tensor) -> Tensor:
        """Return codes (n, 4)."""
        return self.encoder(images)[:, :LATENTS]


def make() -> MyVAE:
    """A β-VAE in plain PyTorch."""
    return MyVAE(beta=16.0)
